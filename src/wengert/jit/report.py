"""What a jitted function has been compiled for: signatures, their paths, and what guards those."""

from __future__ import annotations

import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..calls import signature_of
from ..primitives import index, shape
from ..primitives.guard import guard
from ..program import Atom, Equation, Literal, Program, Type, Var
from .execute import Executable

if TYPE_CHECKING:
    from .jitted import Jitted
    from .paths import Path

__all__ = ["PathReport", "SignatureReport", "count", "report", "report_text"]

LONGEST = 60
"""Characters of a value that a guard asks for; of a longer one its type is said."""


MOST = 20
"""Lines that the text gives to the guards of a path."""


@dataclass(frozen=True)
class PathReport:
    """A path, or a form derived from one, named by ``kind``.

    ``guards`` say what holds on the path. ``calls`` are those that went the general way: the ones
    that compiled code took from the caller directly are not counted, so that of a native path the
    text gives no number. ``state`` is ``native``,
    ``compiling``, ``waiting`` (for the compiler), ``evaluated`` (it is compiled at its next use),
    or ``failed``, for the ``reason``. ``seconds`` is how long the compiler took.
    """

    kind: str
    guards: tuple[str, ...]
    equations: int
    calls: int | None
    state: str
    reason: str
    seconds: float
    callouts: int
    derived: tuple[PathReport, ...]


@dataclass(frozen=True)
class SignatureReport:
    """Arguments of one kind: ``text`` shows them as a call, ``plain`` says why none is compiled."""

    text: str
    paths: tuple[PathReport, ...]
    plain: str | None


def report(jitted: Jitted) -> tuple[SignatureReport, ...]:
    """The signatures that a jitted function has met."""
    found: list[SignatureReport] = []
    for key, paths in list(jitted._signatures.items()):
        arguments = _arguments(jitted, key)
        names = [name for name, _, is_input in arguments if is_input]
        shown = ", ".join(f"{name}: {kind}" for name, kind, _ in arguments)
        reports = tuple(_path(path, names) for path in paths.paths)
        found.append(SignatureReport(f"{jitted._name}({shown})", reports, paths.plain))
    return tuple(found)


# -- arguments -------------------------------------------------------------------------------------


def _arguments(jitted: Jitted, key: Any) -> list[tuple[str, str, bool]]:
    """Name, type and whether it is an input, of each leaf of the arguments."""
    spec, *_, leaves, static, _ = key
    parameters = _parameters(jitted.function)
    taken = {place for place, *_ in static}
    positions = [place for place in range(len(parameters) + len(leaves)) if place not in taken]
    found: list[tuple[str, str, bool]] = []
    for accessor, leaf in zip(spec.accessors(), leaves, strict=True):
        named, where = accessor[0].entry, accessor[1].entry
        if named:
            root = str(where)
        else:
            place = positions[where]
            root = parameters[place] if place < len(parameters) else f"arguments[{place}]"
        kind = _kind(leaf)
        found.append((accessor[2:].codify(root), kind or _constant(leaf), kind is not None))
    for place, _, aside in static:
        known = isinstance(place, int) and place < len(parameters)
        name = parameters[place] if known else str(place)
        found.append((name, f"static {_short(repr(aside.value))}", False))
    return found


def _parameters(function: Any) -> list[str]:
    known = signature_of(function)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in known.parameters.values() if p.kind in kinds] if known else []


def _kind(key: Any) -> str | None:
    """What ``dynamic_key`` said of an input; None for the token of a constant."""
    if isinstance(key, type):
        return str(Type((), np.dtype(key))) if issubclass(key, np.generic) else key.__name__
    if isinstance(key, tuple) and len(key) in (2, 3) and isinstance(key[0], np.dtype):
        return str(Type(key[1], key[0])) + (", strided" if len(key) == 3 else "")
    return None


def _constant(token: Any) -> str:
    kind = token[0] if isinstance(token, tuple) and token else None
    if kind in (int, bool, str, bytes):
        return _short(repr(token[1]))
    return kind.__name__ if isinstance(kind, type) else "a constant"


def _short(text: str, most: int = 24) -> str:
    """A text on one line, cut if it is long."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


# -- paths -----------------------------------------------------------------------------------------


def _path(path: Path, names: list[str]) -> PathReport:
    return _executable(path.executable, "path", tuple(guards(path.program, names)), path.calls)


def _executable(
    executable: Executable, kind: str, held: tuple[str, ...], calls: int | None
) -> PathReport:
    suffix = f" of {executable.name}"
    derived = tuple(
        _executable(each, each.name.removesuffix(suffix), (), None) for each in executable.derived()
    )
    native = executable.native
    return PathReport(
        kind,
        held,
        len(executable.program.equations),
        calls,
        executable.state,
        executable.failure or "",
        executable.seconds,
        0 if native is None else native.callouts,
        derived,
    )


def guards(program: Program, names: list[str]) -> Iterator[str]:
    """What the guards of a Program ask for, in words: ``x[0] > 0 is True``."""
    known = dict(zip(program.inputs, names, strict=True))
    makers = {var: equation for equation in program.equations for var in equation.outputs}
    for equation in program.equations:
        if equation.primitive is guard:
            x, expected = equation.inputs
            text = _text(x, known, makers, 8)
            text = text if text and len(text) <= LONGEST else f"a value of type {x.type}"
            yield f"{text} is {_short(repr(expected), LONGEST)}"


def _text(
    atom: Atom, names: Mapping[Var, str], makers: Mapping[Var, Equation], depth: int
) -> str | None:
    """A value as a formula in the arguments; None if that would be long."""
    if isinstance(atom, Literal):
        return repr(atom)
    if atom in names:
        return names[atom]
    equation = makers.get(atom)
    if equation is None or not depth:
        return None
    parts = [_text(each, names, makers, depth - 1) for each in equation.inputs]
    texts = [text for text in parts if text is not None and len(text) <= LONGEST]
    if len(texts) < len(parts):
        return None
    if equation.primitive is shape.convert:
        return texts[0]
    if equation.primitive is index.slice_:
        return f"{_within(texts[0])}[{index.index_text(equation.params['index'])}]"
    infix = equation.primitive.text is not None and not equation.params
    found = map(_within, texts) if infix else texts
    return equation.primitive.formula(list(found), equation.params)


def _within(text: str) -> str:
    """A formula as a part of another, in brackets if it is an operation."""
    open_ = 0
    for letter in text:
        open_ += (letter in "([") - (letter in ")]")
        if letter == " " and not open_:
            return f"({text})"
    return text


# -- text ------------------------------------------------------------------------------------------


def report_text(jitted: Jitted, width: int = 80) -> str:
    """The report as lines of text."""
    if jitted._plain:
        return f"{jitted._name} is run as it would be without wg.jit: {jitted._plain}"
    signatures = report(jitted)
    if not signatures:
        return f"{jitted._name} has not been called yet"
    total = sum(len(signature.paths) for signature in signatures)
    lines = [f"{jitted._name}: {count(len(signatures), 'signature')}, {count(total, 'path')}"]
    for signature in signatures:
        lines += ["", *_wrapped(signature.text, width, "", "    ")]
        if signature.plain is not None:
            lines += _wrapped(f"run as it is: {signature.plain}", width, "  ", "    ")
        for number, path in enumerate(signature.paths, 1):
            lines += _path_lines(path, f"path {number}", "  ", width)
    return "\n".join(lines)


def _path_lines(path: PathReport, title: str, indent: str, width: int) -> Iterator[str]:
    facts = [count(path.equations, "equation")]
    if path.callouts:
        facts.append(f"{path.callouts} called out")
    if path.calls is not None and path.state != "native":
        facts.append(count(path.calls, "call"))
    text = f"{title}: {_state(path)}; {', '.join(facts)}"
    yield from _wrapped(text, width, indent, f"{indent}    ")
    for text in _guard_lines(path.guards):
        yield from _wrapped(text, width, f"{indent}  ", f"{indent}    ")
    for each in path.derived:
        yield from _path_lines(each, each.kind, f"{indent}  ", width)


def _guard_lines(guards: Sequence[str]) -> Iterator[str]:
    """The guards with their numbers, equal ones in a row as one; of very many the first ones."""
    number = 0
    for lines, (text, run) in enumerate(itertools.groupby(guards)):
        if lines == MOST:
            yield f"... and {count(len(guards) - number, 'more guard')}"
            return
        first, number = number + 1, number + len(list(run))
        which = f"guard {first}" if first == number else f"guards {first} to {number}"
        yield f"{which}: {text}"


def _state(path: PathReport) -> str:
    return {
        "native": f"native, compiled in {path.seconds:.3g} s",
        "compiling": "evaluated, being compiled",
        "waiting": "evaluated, waiting for the compiler",
        "evaluated": "evaluated, compiled at its next use",
        "failed": f"evaluated, as {_short(path.reason.partition(chr(10))[0], 200)}",
    }[path.state]


def count(number: int, what: str) -> str:
    """``1 path``, ``2 paths``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
