"""Refusals that the user's code caught.

A refusal protects the derivative. Code that catches it and goes on computes something else than it
does with plain values, so the refusal is raised again when the function has returned. A library may
catch one too: it asks whether a value can be converted, and goes another way that is right as well.

Who caught an exception is known from its traceback: the outermost frame in it is the last that it
reached. Where C code caught it, that is our own, and who called the C code has to be kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple

from ..errors import WengertError
from ..frames import home_of, is_ours, is_users, place

__all__ = ["Refusal", "raise_again", "refusal"]


class Refusal(NamedTuple):
    """An error, the code of ours that was called from outside, and who called that, at a line."""

    error: WengertError
    entry: CodeType
    asking: CodeType
    line: int

    def catcher(self, home: str) -> str | None:
        """The line of the user's code that caught the error; None where others did."""
        code, line = self.asking, self.line
        reached = self.error.__traceback__
        # C code that raises another error instead, as np.float64 does, may leave no traceback.
        if reached is not None and reached.tb_frame.f_code is not self.entry:
            code, line = reached.tb_frame.f_code, reached.tb_lineno
        return place(code, line) if is_users(code.co_filename, home) else None


def refusal(error: WengertError, depth: int) -> Refusal:
    """The refusal, raised ``depth`` calls above this one."""
    frame = sys._getframe(depth + 1)
    entry = frame.f_code
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        entry, frame = frame.f_code, frame.f_back
    return Refusal(error, entry, frame.f_code, frame.f_lineno)


def raise_again(refusals: list[Refusal], function: Callable[..., Any] | None) -> None:
    """Raise the first of the refusals that was caught by the user's code, if any was.

    ``function`` is what was traced: if it is part of an installed package, that is the user's.
    """
    home = "" if function is None else home_of(function)
    while refusals:
        refused = refusals.pop(0)
        line = refused.catcher(home)
        if line is not None:
            error = refused.error
            error.add_note(
                f"It was caught at\n  {line}\nand the function went on, with another result than "
                "it has for plain values. Let code that is differentiated do without the attempt: "
                "np.sin(x) takes numbers, arrays and traced values alike. For what has no "
                "derivative, convert wg.stop_gradient(x), which is a plain value."
            )
            refusals.clear()
            try:
                raise error
            finally:
                del error, refused  # or the traceback would refer to what refers to it
