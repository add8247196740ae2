"""Every exception of wengert.

An error says what was met, at which line of the user's code, why it cannot work,
and what to write instead.
"""

from __future__ import annotations

from typing import Any

from .frames import user_line

__all__ = [
    "REFUSALS",
    "AbstractValueError",
    "CompileError",
    "DtypeError",
    "ExpressionError",
    "GuardFailed",
    "JitWarning",
    "LeakedTracerError",
    "ProgramError",
    "ReadOnlyError",
    "ShapeError",
    "TracedArrayError",
    "UnknownDerivativeError",
    "UnsupportedError",
    "WengertError",
    "named",
]


def named(kind: type) -> str:
    """The name of a class with its article: ``an int``, ``a list``, ``an ndarray``."""
    name = kind.__name__
    sound = name.lstrip("_").lower()
    vowel = sound.startswith(("a", "e", "i", "o", "ndarray"))
    return f"{'an' if vowel else 'a'} {name}"


class WengertError(Exception):
    """Base of every exception that wengert raises.

    Parameters: ``what`` was met and why it cannot work, and the ``remedy``, what to write instead.
    The user's own line, unless it is given, is looked up when the exception is made; it is kept in
    ``line``.
    """

    def __init__(self, what: str, *, remedy: str = "", line: str | None = None) -> None:
        self.line = line or user_line()
        parts = [what]
        if self.line:
            parts.append(f"  {self.line}")
        if remedy:
            parts.append(f"Write instead: {remedy}")
        super().__init__("\n".join(parts))


class ReadOnlyError(WengertError, ValueError):
    """An array is written to that NumPy does not let be written to."""


class ShapeError(WengertError, ValueError):
    """A shape does not fit: a non-scalar given to ``grad``, a tangent of another shape, ..."""


class DtypeError(WengertError, TypeError):
    """A dtype cannot be differentiated, or is not the one that was asked for."""


class TracedArrayError(WengertError, TypeError):
    """A traced value was used where only a plain number or array can be."""


class AbstractValueError(WengertError, TypeError):
    """Python asked for the value of something whose value is not known while tracing."""


class LeakedTracerError(WengertError, RuntimeError):
    """A traced value was used after the trace that made it had ended."""


class UnsupportedError(WengertError, NotImplementedError):
    """A NumPy function, or a way of calling it, for which there is no rule."""


class UnknownDerivativeError(WengertError, NotImplementedError):
    """A derivative was needed that no rule gives. It is never taken to be zero."""


REFUSALS = (TracedArrayError, AbstractValueError, UnsupportedError, UnknownDerivativeError)
"""What is raised of a traced value where a plain one is computed with."""


class ProgramError(WengertError, ValueError):
    """``Program.check()`` found an ill-formed Program."""


class ExpressionError(WengertError, ValueError):
    """The text of an expression holds something other than arithmetic and known functions."""


class CompileError(WengertError, RuntimeError):
    """A Program could not be made native code. It can still be evaluated.

    ``equation`` is the one that was met, as text; empty where it was none in particular. The user's
    line is not looked for: compiling happens long after it, and in a thread of its own.
    """

    def __init__(self, what: str, *, remedy: str = "", equation: str = "") -> None:
        self.line = None
        self.equation = equation
        parts = [f"{what}, in the equation `{equation}`" if equation else what]
        if remedy:
            parts.append(f"Write instead: {remedy}")
        Exception.__init__(self, "\n".join(parts))


class GuardFailed(WengertError, RuntimeError):  # noqa: N818
    """A value on which a compiled path depends was another one: ``value``, at guard ``index``.

    Guards are numbered from 0 in the order of the Program; None where the number is not known.
    """

    def __init__(self, index: int | None, value: Any) -> None:
        Exception.__init__(self, f"guard {index} met the value {value!r}")
        self.line = None
        self.index = index
        self.value = value

    def behind(self, count: int) -> GuardFailed:
        """The same failure where ``count`` guards stand before the Program that it is one of."""
        return GuardFailed(count + (self.index or 0), self.value)


class JitWarning(UserWarning):
    """A function under ``wengert.jit`` runs as it would without, and why."""
