"""What C code says of a traced value that it cannot take.

It looks at the class of what it is given, and names it in its error: "must be numpy.ndarray, not
ArrayTracer". Such an error is a refusal of ours as any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from ..errors import TracedArrayError, WengertError
from ..frames import line_raised
from ..primitive import Traced
from .base import ABSENT, FILLED
from .caught import Refusal
from .causes import Site, Use, advice_on, raises, site_of, use_at
from .number import Tracer

__all__ = ["refusal_of"]


def _classes(kind: type) -> set[str]:
    names = {kind.__name__}
    for below in type.__subclasses__(kind):
        names |= _classes(below)
    return names


@cache
def _names() -> re.Pattern[str]:
    return re.compile(rf"\b(wengert[\w.]*\.)?({'|'.join(sorted(_classes(Tracer)))})\b")


_UNNAMED = (
    "can't unbox",
    "bad argument type for built-in operation",
    "No matching signature found",
    "is not JSON serializable",
    "incompatible function arguments",
    "unsupported data type",
    "unsupported format",
    "did not contain a loop with signature matching types",
    "object supporting the buffer API required",
    "C contiguous array",
    "Buffer dtype mismatch",
    "type 'object' not supported",
)
"""What numba, Cython, pybind11 and others say without the class of what they were given."""


def refusal_of(error: BaseException, refusals: Sequence[Refusal] = ()) -> TracedArrayError | None:
    """The refusal that an error of C code stands for; None for any other error.

    ``refusals`` are those of the trace: C code may raise an error of its own in their place.
    """
    if isinstance(error, WengertError):
        return None
    where = site_of(error)
    if where is None or (where.inner is None and raises(where)):
        return None
    hidden = _hidden(where, refusals)
    if hidden is not None:
        return hidden
    text = str(error)
    said = _names().sub("a traced value", text.partition("Invoked with:")[0].strip())
    use = use_at(where)
    if ABSENT[0] and "from dtype('O')" in text:
        return TracedArrayError(
            f"{use.text or 'code'} was given an array of objects, which NumPy makes of a list of "
            "traced numbers",
            remedy="np.stack([np.stack([a, b]), np.stack([c, d])]) for np.array([[a, b], [c, d]])"
            + ABSENT[0],
            line=line_raised(error),
        )
    if "__array__ method not producing" in text:
        return TracedArrayError(
            f"{use.text or 'code'} was given an object whose __array__ method gives a traced "
            "array, which C code does not take",
            remedy="the array that the object has, as p.coeffs of p = np.poly1d(c)",
            line=line_raised(error),
        )
    if not _names().search(text) and not _says_so(error, where, use):
        return None
    by = use.text if use.kind == "call" and use.text else ".".join(filter(None, use[2:4]))
    advice = advice_on(use) or (
        "a function of NumPy's for it; wg.custom_jvp for the function of another library "
        "(docs/custom.md); wg.stop_gradient(x) where the derivative is meant to be zero"
    )
    if use.package.startswith(("numpy.ma", "numpy.matrixlib")):
        what = "which makes arrays that compute by rules of their own"
    else:
        what = f"which says: {said.splitlines()[0] if said else ''}"
    return TracedArrayError(
        f"a traced value was given to {by or 'code'}, {what}",
        remedy=advice,
        line=line_raised(error),
    )


def _hidden(where: Site, refusals: Sequence[Refusal]) -> TracedArrayError | None:
    """The refusal in whose place C code has raised an error of its own, at the same line."""
    for known in refusals:
        at = known.asking is where.frame.f_code and known.line == where.line
        if at and isinstance(known.error, TracedArrayError):
            return known.error
    return None


def _says_so(error: BaseException, where: Site, use: Use) -> bool:
    """Whether an error without the class of a traced value is about one all the same."""
    if not any(sign in str(error) for sign in _UNNAMED):
        return False
    if where.inner is None and use.package.partition(".")[0] == "numba":
        return True
    reached = error.__traceback__
    while reached is not None and reached.tb_frame is not where.frame:
        reached = reached.tb_next
    while reached is not None:
        if any(map(_is_traced, list(reached.tb_frame.f_locals.values()))):
            return True
        reached = reached.tb_next
    return False


def _is_traced(value: Any) -> bool:
    if type(value) in (tuple, list):
        return any(isinstance(each, Traced) or id(each) in FILLED for each in value)
    return isinstance(value, Traced) or id(value) in FILLED
