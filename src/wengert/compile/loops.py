"""While loops, and the sweeps of their derivatives, as native loops.

What later sweeps read of a sweep's steps are *records* in memory that grows. Without checkpoints
there is one record for each step, and the sweeps are loops one after the other.

With checkpoints the steps are cut into segments of 2^k. The first sweep keeps its carries at the
start of each segment, its *marks*; k grows by one, and every other mark is dropped, as soon as
there are too many. (Thinning for a number of steps that is not known: Q. Wang, P. Moin, G.
Iaccarino, "Minimal repetition dynamic checkpointing algorithm for unsteady adjoint calculation",
SIAM J. Sci. Comput. 31, 2009. For the terms: A. Griewank, A. Walther, "Revolve", ACM Trans. Math.
Softw. 26, 2000. There are several levels there, and one here.) Records are those
of one segment. Every further sweep, segment by segment, first lets the sweeps that it depends on
run that segment again from their marks. So that the code does not grow with the square of the
number of sweeps, the code of each one's segment is written once, and chosen by a schedule:

    for phase in 1, ..., sweeps - 1:
        for segment in the direction of this sweep:
            for sweep in those that the phase's own depends on, and itself:
                run the segment of this sweep

The evaluator does the same (``control.sweeps``): the same steps in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..control.sweep_rules import while_primitive
from ..control.sweeps import Read, Sweep, grouped, readers
from ..program import Equation, Program, Type
from .control import Carry, one_step, value_of
from .elements import Scope
from .lower import Lowering, Targets, Value, step
from .records import Key, Records
from .views import Stored

__all__: list[str] = []


@dataclass(frozen=True)
class Start:
    """The consts of a sweep, and its carries, which hold their initial values."""

    fixed: list[Value]
    carries: list[Carry]

    def read(self) -> list[Value]:
        """The carries as they are now."""
        return [carry.read() for carry in self.carries]

    def save(self, records: Records, place: str) -> None:
        """Put the carries into a record."""
        for number, value in enumerate(self.read()):
            records.lowering.deliver(value, records.at(place, ("carry", number)))

    def restore(self, records: Records, place: str) -> None:
        """Take the carries from a record."""
        for number, carry in enumerate(self.carries):
            carry.read()
            carry.set(records.read(place, ("carry", number)))


def _read_of(sweeps: Sequence[Sweep]) -> list[dict[Key, Type]]:
    """What later sweeps read of each."""
    found: list[dict[Key, Type]] = [{} for _ in sweeps]
    for sweep in sweeps:
        types = sweep.program.input_types[sweep.loose :]
        for each, type in zip(sweep.reads, types, strict=True):
            found[each.sweep][each.kind, each.place] = type
    return found


@step(while_primitive)
def _while(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    loop = _Loop(lowering, scope, equation, targets)
    checkpoints = equation.params["checkpoints"]
    if checkpoints is None or not any(loop.kept):
        loop.run()
        lowering.report.note(equation, "control", "native loop")
    else:
        loop.run_in_segments(checkpoints)
        lowering.report.note(equation, "control", "native loop, with checkpoints")


class _Loop:
    """The code of a ``while`` in the making."""

    def __init__(
        self, lowering: Lowering, scope: Scope, equation: Equation, targets: Targets
    ) -> None:
        self.lowering = lowering
        self.code = lowering.code
        self.scope = scope
        self.targets = targets
        self.condition: Program = equation.params["condition"]
        self.sweeps: Sequence[Sweep] = equation.params["sweeps"]
        self.given = grouped(equation.inputs, self.sweeps)
        outputs = iter(equation.outputs)
        self.results = [[next(outputs) for _ in range(s.carries)] for s in self.sweeps]
        self.kept = [Records(lowering, types) if types else None for types in _read_of(self.sweeps)]
        self.steps = self.code.slot("i64")

    def start(self, number: int) -> Start:
        """Give the carries of a sweep their initial values."""
        consts = self.sweeps[number].consts
        fixed = [value_of(self.lowering, self.scope, atom) for atom in self.given[number][:consts]]
        initial = self.given[number][consts:]
        carries = [Carry(self.lowering, atom.type) for atom in initial]
        for carry, atom in zip(carries, initial, strict=True):
            carry.begin(value_of(self.lowering, self.scope, atom))
        return Start(fixed, carries)

    @contextmanager
    def counting(self, counter: str, more: Callable[[str], str]) -> Generator[str]:
        """A loop for i = 0, 1, ... as long as ``more(i)`` holds; the counter says i at its end."""
        code = self.code
        head, body, end = code.fresh("head"), code.fresh("step"), code.fresh("end")
        code.statement(f"store i64 0, ptr {counter}")
        with code.inside():
            code.statement(f"br label %{head}")
            code.label(head)
            i = code.here(f"load i64, ptr {counter}")
            code.statement(f"br i1 {more(i)}, label %{body}, label %{end}")
            code.label(body)
            with code.inside():
                yield i
                after = code.here(f"add i64 {i}, 1")
                code.statement(f"store i64 {after}, ptr {counter}")
                # With a name of its own, the loop is not given the hints of one at its body's end.
                hint = code.module.meta('!{!"llvm.loop.unroll.disable"}')
                name = code.module.meta(f"distinct !{{{{self}}, {hint}}}")
                code.statement(f"br label %{head}, !llvm.loop {name}")
        code.label(end)

    def below(self, slot: str) -> Callable[[str], str]:
        """The condition i < what the slot holds."""
        return lambda i: self.code.here(f"icmp slt i64 {i}, {self.load(slot)}")

    def load(self, slot: str) -> str:
        """What a slot holds here."""
        return self.code.here(f"load i64, ptr {slot}")

    def asked(self, start: Start) -> str:
        """Whether the condition holds of the carries."""
        (more,) = self.lowering.scope(self.condition, [*start.fixed, *start.read()])
        assert isinstance(more, str)
        return more

    def advance(self, number: int, start: Start, place: str | None) -> None:
        """One step, with what is read and kept at this place of the records; None to keep none."""
        sweep, own = self.sweeps[number], self.kept[number]
        before = start.read()
        ys: list[Stored | None] = [None] * sweep.ys
        if own is not None and place is not None:
            for key in own.types:
                if key[0] == "carry":
                    self.lowering.deliver(before[key[1]], own.at(place, key))
                else:
                    ys[key[1]] = own.at(place, key)
        reads = [self.read(each, place) for each in sweep.reads]
        one_step(self.lowering, sweep.program, start.fixed, start.carries, before, reads, ys)

    def read(self, read: Read, place: str | None) -> Value:
        """What a sweep reads of an earlier one."""
        records = self.kept[read.sweep]
        assert records is not None and place is not None
        return records.read(place, (read.kind, read.place))

    # -- every step is kept ----------------------------------------------------------------------

    def run(self) -> None:
        """The sweeps one after the other."""
        code = self.code
        counter = code.slot("i64")
        for number, sweep in enumerate(self.sweeps):
            start = self.start(number)
            first = not number
            more = (lambda _, start=start: self.asked(start)) if first else self.below(self.steps)
            records = self.kept[number]
            if records is not None and not first:
                records.hold(self.load(self.steps))
            with self.counting(counter, more) as i:
                k = i
                if sweep.reverse:
                    last = code.here(f"sub i64 {self.load(self.steps)}, 1")
                    k = code.here(f"sub i64 {last}, {i}")
                if records is not None and first:
                    records.reserve(k)
                self.advance(number, start, k)
            if first:
                code.statement(f"store i64 {self.load(counter)}, ptr {self.steps}")
            for carry, var in zip(start.carries, self.results[number], strict=True):
                carry.end(self.scope, var, self.targets)
                carry.free()

    # -- one segment is kept ---------------------------------------------------------------------

    def run_in_segments(self, checkpoints: int) -> None:
        """The sweeps with checkpoints."""
        _Segments(self).run(checkpoints)


class _Segments:
    """The code of a ``while`` with checkpoints; see the head of this file.

    The marks of each sweep are followed by one more, at the place ``count``: the carries that its
    own phase has come to, and at the end the results.
    """

    def __init__(self, loop: _Loop) -> None:
        self.loop = loop
        self.code = loop.code
        self.sweeps = loop.sweeps
        self.shift, self.count = (self.code.slot("i64") for _ in range(2))
        self.phase, self.turn, self.segment, self.which = (self.code.slot("i64") for _ in range(4))
        self.marks = [
            Records(
                loop.lowering,
                {
                    ("carry", i): type
                    for i, type in enumerate(sweep.program.output_types[: sweep.carries])
                },
            )
            for sweep in self.sweeps
        ]

    def run(self, checkpoints: int) -> None:
        """The whole of it."""
        loop, code = self.loop, self.code
        starts = [loop.start(number) for number in range(len(self.sweeps))]
        self.first(starts[0], checkpoints)
        steps, shift = loop.load(loop.steps), loop.load(self.shift)
        width = code.here(f"shl i64 1, {shift}")
        less = code.here(f"sub i64 {width}, 1")
        count = code.here(f"lshr i64 {code.here(f'add i64 {steps}, {less}')}, {shift}")
        code.statement(f"store i64 {count}, ptr {self.count}")
        more = code.here(f"add i64 {count}, 1")
        for start, marks, kept in zip(starts, self.marks, loop.kept, strict=True):
            marks.hold(more)
            start.save(marks, count)
            if kept is not None:
                kept.hold(width)
        self.phases(starts)
        for start, marks, results in zip(starts, self.marks, loop.results, strict=True):
            count = loop.load(self.count)
            start.restore(marks, count)
            for carry, var in zip(start.carries, results, strict=True):
                carry.end(loop.scope, var, loop.targets)
                carry.free()

    # -- the first sweep -------------------------------------------------------------------------

    def first(self, start: Start, checkpoints: int) -> None:
        """Run the first sweep, keep its marks, and count its steps."""
        loop, code = self.loop, self.code
        code.statement(f"store i64 0, ptr {self.shift}")
        with loop.counting(loop.steps, lambda _: loop.asked(start)) as i:
            shift = loop.load(self.shift)
            place = code.here(f"lshr i64 {i}, {shift}")
            begins = code.here(f"icmp eq i64 {code.here(f'shl i64 {place}, {shift}')}, {i}")
            mark, on = code.fresh("mark"), code.fresh("on")
            code.statement(f"br i1 {begins}, label %{mark}, label %{on}")
            code.label(mark)
            with code.inside():
                self.mark(start, place, checkpoints)
                code.statement(f"br label %{on}")
            code.label(on)
            loop.advance(0, start, None)

    def mark(self, start: Start, place: str, checkpoints: int) -> None:
        """Keep the carries at the start of a segment, and thin out the marks if they are many."""
        loop, code, marks = self.loop, self.code, self.marks[0]
        if loop.kept[0] is not None:
            marks.reserve(place)
            start.save(marks, place)
        thin, fits = code.fresh("thin"), code.fresh("fits")
        many = code.here(f"icmp sge i64 {place}, {checkpoints}")
        code.statement(f"br i1 {many}, label %{thin}, label %{fits}")
        code.label(thin)
        wider = code.here(f"add i64 {loop.load(self.shift)}, 1")
        code.statement(f"store i64 {wider}, ptr {self.shift}")
        if loop.kept[0] is not None:
            half = code.here(f"lshr i64 {place}, 1")
            with loop.counting(
                code.slot("i64"), lambda i: code.here(f"icmp slt i64 {i}, {half}")
            ) as i:
                target = code.here(f"add i64 {i}, 1")
                marks.move(code.here(f"shl i64 {target}, 1"), target)
        code.statement(f"br label %{fits}")
        code.label(fits)

    # -- the other sweeps ------------------------------------------------------------------------

    def phases(self, starts: Sequence[Start]) -> None:
        """Run the schedule for all sweeps but the first."""
        loop, code = self.loop, self.code
        size = len(self.sweeps)
        uses = [{i, *readers(self.sweeps, i)} - {0} for i in range(size)]
        order = self.table("needed", [j in uses[i] for j in range(size) for i in range(size)])
        backward = self.table("backward", [sweep.reverse for sweep in self.sweeps])
        with (
            loop.counting(self.phase, lambda i: code.here(f"icmp slt i64 {i}, {size}")) as phase,
            loop.counting(self.turn, loop.below(self.count)) as turn,
        ):
            last = code.here(f"sub i64 {loop.load(self.count)}, 1")
            mirrored = code.here(f"sub i64 {last}, {turn}")
            reverse = self.entry(backward, phase)
            segment = code.here(f"select i1 {reverse}, i64 {mirrored}, i64 {turn}")
            code.statement(f"store i64 {segment}, ptr {self.segment}")
            row = code.here(f"mul i64 {phase}, {size}")
            with loop.counting(
                self.which, lambda i: code.here(f"icmp sle i64 {i}, {loop.load(self.phase)}")
            ) as which:
                asked = self.entry(order, code.here(f"add i64 {row}, {which}"))
                self.choose(which, asked, starts)

    def table(self, name: str, flags: Sequence[bool]) -> str:
        """A constant table of truth values."""
        name = f"@{name}{self.code.fresh()}"
        entries = ", ".join(f"i8 {int(flag)}" for flag in flags)
        self.loop.lowering.module.declare(
            name, f"{name} = internal constant [{len(flags)} x i8] [{entries}]"
        )
        return name

    def entry(self, table: str, place: str) -> str:
        """A truth value from a table."""
        code = self.code
        found = code.here(f"getelementptr i8, ptr {table}, i64 {place}")
        return code.here(f"icmp ne i8 {code.here(f'load i8, ptr {found}')}, 0")

    def choose(self, which: str, asked: str, starts: Sequence[Start]) -> None:
        """Run the segment of this sweep, if it is asked for."""
        code = self.code
        names = [code.fresh("sweep") for _ in self.sweeps]
        go, end = code.fresh("go"), code.fresh("end")
        code.statement(f"br i1 {asked}, label %{go}, label %{end}")
        code.label(go)
        cases = " ".join(f"i64 {number}, label %{name}" for number, name in enumerate(names))
        code.statement(f"switch i64 {which}, label %{end} [{cases}]")
        # Inside of a second frame, as what one sweep computes is not known to the next.
        with code.inside():
            for number, (name, start) in enumerate(zip(names, starts, strict=True)):
                code.label(name)
                with code.inside():
                    self.again(number, start)
                code.statement(f"br label %{end}")
        code.label(end)

    def again(self, number: int, start: Start) -> None:
        """Run one segment of a sweep: its own phase goes on, any other runs it from its mark."""
        loop, code = self.loop, self.code
        sweep, marks = self.sweeps[number], self.marks[number]
        count, segment = loop.load(self.count), loop.load(self.segment)
        own = code.here(f"icmp eq i64 {loop.load(self.phase)}, {number}")
        start.restore(marks, code.here(f"select i1 {own}, i64 {count}, i64 {segment}"))
        if loop.kept[number] is not None:
            start.save(marks, segment)
        first = code.here(f"shl i64 {segment}, {loop.load(self.shift)}")
        rest = code.here(f"sub i64 {loop.load(loop.steps)}, {first}")
        width = code.here(f"shl i64 1, {loop.load(self.shift)}")
        short = code.here(f"icmp slt i64 {rest}, {width}")
        size = code.here(f"select i1 {short}, i64 {rest}, i64 {width}")
        last = code.here(f"sub i64 {size}, 1")
        with loop.counting(code.slot("i64"), lambda i: code.here(f"icmp slt i64 {i}, {size}")) as i:
            place = code.here(f"sub i64 {last}, {i}") if sweep.reverse else i
            loop.advance(number, start, place)
        done, end = code.fresh("done"), code.fresh("end")
        code.statement(f"br i1 {own}, label %{done}, label %{end}")
        code.label(done)
        with code.inside():
            start.save(marks, loop.load(self.count))
            code.statement(f"br label %{end}")
        code.label(end)
