"""What the compiler makes of a function: which equations share a loop, and which are called out.

``compiled`` takes the Program that ``wg.jit`` would compile at the given arguments (the very path,
if the function is jitted and has taken it before), compiles it, and makes of the record that the
compiler keeps a ``Compilation``: rows of data, which ``compiled_views`` shows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..calls import check_callable
from ..errors import CompileError, UnsupportedError
from ..jit import Jitted
from ..jit.execute import Executable, executable
from ..program import Atom, Equation, Program, Var
from .formula import equation_text, literal_text
from .naming import free_letter, parameters_of, paths_of, title_of

if TYPE_CHECKING:
    from ..compile.report import Note, Section

__all__ = ["Compilation", "CompiledRow", "compiled"]


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRow:
    """One line of the table: an input, an equation, or the head of a Program inside of one.

    ``how`` is what the equation became (see ``compile.report.How``; empty for what is no
    equation), ``loops`` the numbers of the loops that compute it, ``text`` both in words.
    ``memory`` says where its value lies: in a register, in the caller's arrays as a result of the
    function, in the workspace, on the stack, in another variable's memory, or that it is never
    stored. ``depth`` is inside of how many others the Program is.
    """

    name: str
    formula: str
    type: str
    how: str = ""
    loops: tuple[int, ...] = ()
    text: str = ""
    memory: str = ""
    depth: int = 0
    unstored: int = 0
    """Bytes of the array that it would be, if it is never stored."""


@dataclass(frozen=True, eq=False)
class Compilation:
    """What the compiler made of a function at some arguments. Prints as a table.

    ``program`` is the Program as it was compiled, ``results`` are the names of what it returns,
    ``state`` is ``native``, or ``failed`` for the ``reason``; then the rows say what would have
    been made, as far as it is known. ``loops`` are the lengths of the axes of each loop, ``chunks``
    the number of parts of those loops that threads share, ``callouts`` the equations that the
    evaluator runs, ``workspace`` the bytes of memory beside arguments and results, ``operations``
    an estimate of the operations on numbers that a call takes, ``seconds`` the time that compiling
    took, and ``ir`` the code as text for LLVM.
    """

    title: str
    program: Program
    rows: tuple[CompiledRow, ...]
    results: tuple[str, ...]
    state: str
    reason: str = ""
    seconds: float = 0.0
    loops: Mapping[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    chunks: Mapping[int, int] = field(default_factory=dict[int, int])
    callouts: tuple[str, ...] = ()
    workspace: int = 0
    operations: int = 0
    ir: str = ""

    def __getitem__(self, name: str) -> CompiledRow:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{name!r} is not among {', '.join(row.name for row in self.rows)}")

    def llvm(self, *, optimised: bool = False) -> str:
        """The code in LLVM's representation, as it was written or as LLVM optimised it.

        Raises ``CompileError`` if none could be written, and, for the optimised one, without
        llvmlite.
        """
        if not self.ir:
            raise CompileError(f"there is no code to show: {self.reason}")
        if not optimised:
            return self.ir
        from ..compile import machine

        return machine.optimised(self.ir)

    def assembly(self) -> str:
        """The machine code as text. Raises ``CompileError`` if there is none."""
        from ..compile import machine

        return machine.assembly(self.llvm())

    def text(self, width: int = 80) -> str:
        """The table and the sums as plain text of at most ``width`` columns."""
        from .compiled_views import plain

        return plain(self, width)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def __rich__(self) -> Any:
        from .compiled_views import coloured

        return coloured(self)

    def _repr_html_(self) -> str:
        from .compiled_views import html

        return html(self)


def compiled(f: Any, args: Sequence[Any]) -> Compilation:
    """See ``explain``, with ``compiled=True``."""
    if isinstance(f, Program):
        if args:
            raise UnsupportedError(
                "a Program has its types already, and arguments were given too",
                remedy="wg.explain(program, compiled=True)",
            )
        names = f.names()
        inputs = [names[var] for var in f.inputs]
        results = _numbered("result", len(f.outputs))
        head = _Head(f"program({', '.join(inputs)})", inputs, results, list(range(len(results))))
        return _of(executable(f), head)
    check_callable(f, "explain")
    jitted = f if isinstance(f, Jitted) else Jitted(f)
    path = jitted.traced(*args)
    inputs, parameters = _input_names(jitted, args)
    results = [""] * len(path.program.outputs)
    for accessor, output in zip(path.spec.accessors(), path.outputs, strict=True):
        if output.place is not None:
            results[output.place] = accessor.codify("result")
    for place, at in enumerate(path.mutated, len(results) - len(path.mutated)):
        results[place] = f"{inputs[at]}, changed in place"
    leaves = [repr(o.constant) if o.place is None else o.place for o in path.outputs]
    head = _Head(title_of(jitted.function, parameters), inputs, results, leaves)
    return _of(path.executable, head)


@dataclass(frozen=True)
class _Head:
    """The call: its title, names of the Program's inputs, what its outputs are, and the leaves of
    the result, each the place of an output or the text of a constant.
    """

    title: str
    inputs: Sequence[str]
    results: Sequence[str]
    leaves: Sequence[int | str]


def _input_names(jitted: Jitted, args: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Names of the Program's inputs, and of the parameters."""
    parameters = parameters_of(jitted.function, len(args))
    asked = jitted._ask(tuple(args), {})
    static = {
        place % len(args) for place in jitted._static.places if -len(args) <= place < len(args)
    }
    moving = [
        paths_of(arg, name)
        for place, (arg, name) in enumerate(zip(args, parameters, strict=True))
        if place not in static
    ]
    names = list(itertools.chain.from_iterable(moving))
    return [names[place] for place in asked.places], parameters


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}[{i}]" for i in range(count)]


def _of(made: Executable, head: _Head) -> Compilation:
    """Compile, and write down what came of it."""
    made.compile()
    state, reason = made.state, made.failure or ""
    from ..compile.native import lowered
    from ..compile.work import operations

    try:
        lowering, ir = lowered(made.program)
    except Exception as error:  # whatever it is, the Program itself can be shown
        table = _Table(head, made.program)
        return Compilation(
            head.title,
            made.program,
            tuple(table.whole(None)),
            table.returned(),
            "failed",
            reason or (str(error) if isinstance(error, CompileError) else repr(error)),
            operations=operations(made.program),
        )
    root = lowering.report.root
    assert root is not None
    table = _Table(head, root.program)
    loops = {number: axes for part in root.sections for number, axes in part.domains.items()}
    return Compilation(
        head.title,
        root.program,
        tuple(table.whole(root)),
        table.returned(),
        state,
        reason,
        made.seconds,
        dict(sorted(loops.items())),
        {number: count for part in root.sections for number, count in part.chunks.items()},
        tuple(table.callouts),
        lowering.arena.size,
        operations(root.program),
        ir,
    )


# -- rows ------------------------------------------------------------------------------------------


Names = dict[Var, str]


class _Table:
    """Writes rows; variables are named as they come, in the Programs inside of equations too."""

    def __init__(self, head: _Head, program: Program) -> None:
        self.head = head
        self.program = program
        self.names: Names = dict(zip(program.inputs, head.inputs, strict=True))
        self.results = _of_each(program, head.results)
        self.callouts: list[str] = []
        self.fresh = map(f"{free_letter(head.inputs)}{{}}".format, itertools.count(1))

    def returned(self) -> tuple[str, ...]:
        """The names of what the function returns, once there are rows."""
        outputs = [_atom_text(atom, self.names) for atom in self.program.outputs]
        leaves = self.head.leaves
        return tuple(leaf if isinstance(leaf, str) else outputs[leaf] for leaf in leaves)

    def whole(self, root: Section | None) -> Iterator[CompiledRow]:
        """The rows of the whole Program. Without a section nothing is compiled."""
        for var in self.program.inputs:
            memory = ", ".join(self.results.get(var, ()))
            yield CompiledRow(self.names[var], "input", str(var.type), memory=memory)
        self.name(self.program, self.names)
        if root is not None:
            yield from self.notes(root, self.names, self.results, 0)
            return
        for equation in self.program.equations:
            memory = ", ".join(r for var in equation.outputs for r in self.results.get(var, ()))
            yield self.row(equation, self.names, how="callout", text="evaluated", memory=memory)

    def name(self, program: Program, names: Names) -> None:
        """Name what the equations of a Program give."""
        for equation in program.equations:
            names.update((var, next(self.fresh)) for var in equation.outputs)

    def row(self, equation: Equation, names: Names, **facts: Any) -> CompiledRow:
        """The row of an equation."""
        return CompiledRow(
            ", ".join(names[var] for var in equation.outputs),
            equation_text(equation, names),
            ", ".join(dict.fromkeys(str(var.type) for var in equation.outputs)),
            **facts,
        )

    def notes(
        self, section: Section, names: Names, results: Mapping[Var, list[str]], depth: int
    ) -> Iterator[CompiledRow]:
        """The rows of a section."""
        for note in section.notes:
            row = self.row(
                note.equation,
                names,
                how=note.how,
                loops=note.loops,
                text=_text(note, names),
                memory=_memory(note, names, results),
                depth=depth,
                unstored=_unstored(note),
            )
            if note.how == "callout":
                self.callouts.append(f"{row.name} = {row.formula}" if row.name else row.formula)
            yield row
            for inside in note.inside:
                yield from self.inside(inside, depth + 1)

    def inside(self, section: Section, depth: int) -> Iterator[CompiledRow]:
        """The rows of a Program inside of an equation: its head, and then its equations."""
        program = section.program
        names: Names = {var: next(self.fresh) for var in program.inputs}
        self.name(program, names)
        heads = ", ".join(f"{names[var]}: {var.type}" for var in program.inputs)
        returned = _of_each(program, _numbered("returned", len(program.outputs)))
        # What it returns without computing it has no row of its own.
        passed = [
            _atom_text(atom, names)
            for atom in program.outputs
            if not isinstance(atom, Var) or atom in program.inputs
        ]
        memory = f"returned {', '.join(dict.fromkeys(passed))}" if passed else ""
        yield CompiledRow(section.title, f"({heads})", "", memory=memory, depth=depth)
        yield from self.notes(section, names, returned, depth)


def _of_each(program: Program, results: Sequence[str]) -> dict[Var, list[str]]:
    """Which results each variable is."""
    found: dict[Var, list[str]] = {}
    for atom, result in zip(program.outputs, results, strict=True):
        if isinstance(atom, Var):
            found.setdefault(atom, []).append(result)
    return found


def _atom_text(atom: Atom, names: Names) -> str:
    return names[atom] if isinstance(atom, Var) else literal_text(atom)


# -- words -----------------------------------------------------------------------------------------


def _text(note: Note, names: Names) -> str:
    """What an equation became."""
    numbers = ", ".join(map(str, note.loops))
    within = [names[var] for e in note.within for var in e.outputs[:1]]
    match note.how:
        case "loop":
            return f"loop {numbers}"
        case "inlined" if note.loops:
            return f"inlined in loop{'s' if len(note.loops) > 1 else ''} {numbers}"
        case "inlined":
            return f"inlined for {', '.join(within) or 'a guard'}"
        case "guard":
            return f"guard {note.detail}"
        case "callout":
            return "called out"
        case "native":
            return "native code"
        case "unused":
            return "not needed"
        case _:
            return note.detail or note.how


_KINDS = {"none": "never stored", "other": "memory"}


def _memory(note: Note, names: Names, results: Mapping[Var, list[str]]) -> str:
    """Where the results of an equation lie."""
    found: list[str] = []
    for var, memory in zip(note.equation.outputs, note.memory, strict=True):
        if memory.kind == "shared" and memory.of is not None:
            found.append(f"in {names[memory.of]}")
        elif var not in results:
            found.append(_KINDS.get(memory.kind, memory.kind))
        found.extend(results.get(var, ()))
    return ", ".join(dict.fromkeys(found))


def _unstored(note: Note) -> int:
    """Bytes of the arrays that are never stored."""
    return sum(
        var.type.size * var.type.dtype.itemsize
        for var, memory in zip(note.equation.outputs, note.memory, strict=True)
        if memory.kind == "none"
    )
