"""Whose code a frame runs: wengert's own, a library's, or the user's.

Errors show the user's own line, a traced value tells the user's code what it stands for, and an
error that the user's code caught counts in another way than one that a library caught.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Container
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

__all__ = [
    "TRIMS",
    "asked_by_name",
    "hide",
    "home_of",
    "is_ours",
    "is_users",
    "is_wengerts",
    "is_your_line",
    "line_raised",
    "place",
    "running",
    "trim",
    "user_asks",
    "user_line",
    "within_wengert",
]

_PACKAGE = str(Path(__file__).parent)
_LIBRARIES = tuple(f"{sep}{name}{sep}" for sep in "/\\" for name in ("numpy", "scipy", "optree"))
_INSTALLED = ("site-packages", "dist-packages")
_STANDARD = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})

_PASSED = frozenset(
    "isscalar polyval polyvalfromroots chebval legval hermval hermeval lagval".split()
)
"""Functions of NumPy's that ask a question of Python's on behalf of whoever calls them."""

_LOOKING = frozenset({"__getattribute__", "__getattr__"})
_FOR_OTHERS = _PASSED | _LOOKING

_ours: dict[str, bool] = {}
"""What is known of files; Python's frozen modules are not among them."""


@functools.cache
def is_wengerts(filename: str) -> bool:
    """Whether a file belongs to wengert itself."""
    return filename.startswith(_PACKAGE)


def within_wengert() -> bool:
    """Whether the code that calls the caller of this function is called by wengert in the end."""
    frame = sys._getframe(2)
    while frame is not None:
        if is_wengerts(frame.f_code.co_filename):
            return True
        frame = frame.f_back
    return False


def is_ours(filename: str) -> bool:
    """Whether a file belongs to wengert, NumPy, SciPy or optree, or is a frozen module."""
    known = _ours.get(filename)
    if known is not None:
        return known
    if filename.startswith("<frozen"):
        return True
    known = filename.startswith(_PACKAGE) or (
        any(folder in filename for folder in _INSTALLED)
        and any(part in filename for part in _LIBRARIES)
    )
    _ours[filename] = known
    return known


def is_users(filename: str, home: str = "") -> bool:
    """Whether a file is the user's: not ours, not of the standard library, not installed.

    An installed package is the user's own if ``home``, a file of the function that is traced,
    belongs to it.
    """
    if is_ours(filename):
        return False
    package = _installed_package(filename)
    if package:
        return package == _installed_package(home)
    return not _is_standard(filename)


def _is_standard(filename: str) -> bool:
    """Whether a file belongs to the standard library, beside which packages are installed."""
    return filename.startswith(_STANDARD) and not _installed_package(filename)


def _installed_package(filename: str) -> str:
    """The package or module to which an installed file belongs; empty for other files."""
    parts = Path(filename).parts
    for i, part in enumerate(parts[:-1]):
        if part in _INSTALLED:
            return parts[i + 1]
    return ""


def home_of(function: Any) -> str:
    """The file in which a function is defined; empty where that is not known."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    if not hasattr(function, "__code__"):
        function = type(function).__call__
    code = getattr(function, "__code__", None)
    return "" if code is None else code.co_filename


_TOOLS = frozenset("pandas numba sklearn matplotlib xarray polars torch jax tensorflow".split())
"""Installed packages whose lines say nothing to who uses them."""


@functools.cache
def is_your_line(filename: str) -> bool:
    """Whether a line of a file tells the user something; installed packages may be their own."""
    if is_ours(filename) or _is_standard(filename) or filename.endswith((".pyx", "<stringsource>")):
        return False
    return _installed_package(filename) not in _TOOLS


def place(code: CodeType, line: int, variables: dict[str, Any] | None = None) -> str:
    """A line of code for an error message: ``file:line    code``, or ``Cell In[n], line``."""
    text = linecache.getline(code.co_filename, line, variables).strip()
    where = _cell(code.co_filename)
    where = f"{where}, line {line}" if where else f"{Path(code.co_filename).name}:{line}"
    return f"{where}    {text}".rstrip()


_CELL = re.compile(r"<ipython-input-(\d+)-|[/\\]ipykernel_\d+[/\\]")
"""The names that IPython gives to its cells, and Jupyter's kernel."""


def _cell(filename: str) -> str:
    """What a notebook calls the cell that has this name for a file; empty for files."""
    match = _CELL.search(filename)
    if match is None:
        return ""
    number = match.group(1)
    if number is None:
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        numbers = getattr(getattr(shell, "compile", None), "_filename_map", {})
        number = numbers.get(filename)
    return "a cell" if number is None else f"Cell In[{number}]"


def user_line() -> str | None:
    """The innermost line outside of wengert, NumPy and the standard library, or None.

    Its form is that of ``place``.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if is_your_line(frame.f_code.co_filename):
            return place(frame.f_code, frame.f_lineno, frame.f_globals)
        frame = frame.f_back
    return None


def line_raised(error: BaseException) -> str | None:
    """The innermost line of the user's that an exception has come through, as ``user_line``."""
    line = None
    reached = error.__traceback__
    while reached is not None:
        if is_your_line(reached.tb_frame.f_code.co_filename):
            line = place(reached.tb_frame.f_code, reached.tb_lineno, reached.tb_frame.f_globals)
        reached = reached.tb_next
    return line


TRIMS = os.environ.get("WENGERT_TRACEBACK") != "full"
"""Whether tracebacks leave out the frames between the user's line and the error."""


def trim(error: BaseException) -> None:
    """Leave out of a traceback the frames that are wengert's and NumPy's, but for the first.

    So it ends at the user's own line. It stays as it is where it has none.
    """
    entries: list[TracebackType] = []
    reached = error.__traceback__
    while reached is not None:
        entries.append(reached)
        reached = reached.tb_next
    kept = [each for each in entries[1:] if not is_ours(each.tb_frame.f_code.co_filename)]
    if not TRIMS or not kept:
        return
    trimmed = None
    for each in reversed([entries[0], *kept]):
        trimmed = TracebackType(trimmed, each.tb_frame, each.tb_lasti, each.tb_lineno)
    error.__traceback__ = trimmed


def hide(package: str) -> None:
    """Tell pytest to leave the frames of a package's modules out of what it shows."""
    for name, module in list(sys.modules.items()):
        if TRIMS and name.startswith(f"{package}."):
            vars(module)["__tracebackhide__"] = True


def running(names: Container[str]) -> str | None:
    """The innermost of NumPy's functions of these names that the user's code has called."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_ours(frame.f_code.co_filename):
        if frame.f_code.co_name in names and not frame.f_code.co_filename.startswith(_PACKAGE):
            return frame.f_code.co_name
        frame = frame.f_back
    return None


def _asking(depth: int) -> FrameType:
    """The frame that asks, ``depth`` calls above the caller of this function.

    Methods that look for attributes and Python's own frozen modules (``abc``) ask for whoever calls
    them.
    """
    frame = sys._getframe(depth + 1)
    while frame.f_back is not None and (
        frame.f_code.co_name in _LOOKING or frame.f_code.co_filename.startswith("<frozen")
    ):
        frame = frame.f_back
    return frame


def user_asks(depth: int) -> bool:
    """Whether the code ``depth`` calls above the caller of this function is not ours nor NumPy's.

    ``np.isscalar`` asks for the user, and so do the values of NumPy's polynomials.
    """
    code = sys._getframe(depth + 1).f_code
    known, name = _ours.get(code.co_filename), code.co_name
    if known and name not in _FOR_OTHERS:
        return False
    if known is None or name in _LOOKING:
        code = _asking(depth + 1).f_code
        known, name = is_ours(code.co_filename), code.co_name
    return not known or name in _PASSED


def asked_by_name(name: str, depth: int) -> bool:
    """Whether the user asks and has the attribute's name as a string, as ``hasattr`` needs it.

    NumPy's C functions look for attributes too, and have no frames of their own.
    """
    code = _asking(depth + 1).f_code
    return not is_ours(code.co_filename) and name in code.co_consts
