"""What the user's line gave a traced value to, and what to write there instead.

C code that asks for a number has no name of its own in a traceback. So the expression that the
user's frame computes is read from its source, and the function in it looked up where that runs
nothing of the user's.
"""

from __future__ import annotations

import ast
import functools
import linecache
import opcode
import sys
import types
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from ..errors import TracedArrayError
from ..frames import is_wengerts, is_your_line
from ..primitive import UFUNCS
from .base import ABSENT
from .protocols import FUNCTIONS

__all__ = [
    "Site",
    "Use",
    "advice_on",
    "conversion",
    "formats",
    "hashing",
    "nearest_to",
    "raises",
    "remedy",
    "site",
    "site_of",
    "use_at",
]


class Site(NamedTuple):
    """What of the user's runs, by its frame, instruction and line, and the frame that it called.

    ``inner`` is None where the line called C code, or wengert itself.
    """

    frame: FrameType
    instruction: int
    line: int
    inner: FrameType | None


class Use(NamedTuple):
    """What a line does with a value: ``text`` names it as the line does, ``package`` has it.

    ``kind`` is ``call``, ``assignment``, ``item``, ``key`` or nothing, where it is not known.
    """

    kind: str
    text: str
    package: str
    name: str
    target: Any


# -- where -----------------------------------------------------------------------------------------


def site() -> Site | None:
    """The user's line that runs now."""
    frame: FrameType | None = sys._getframe(1)
    inner = None
    while frame is not None:
        file = frame.f_code.co_filename
        if is_your_line(file):
            return Site(frame, frame.f_lasti, frame.f_lineno, inner)
        if not is_wengerts(file):
            inner = frame
        frame = frame.f_back
    return None


def site_of(error: BaseException) -> Site | None:
    """The innermost line of the user's that an exception has come through."""
    found = None
    reached = error.__traceback__
    while reached is not None:
        file = reached.tb_frame.f_code.co_filename
        if is_your_line(file):
            found = Site(reached.tb_frame, reached.tb_lasti, reached.tb_lineno, None)
        elif found is not None and found.inner is None and not is_wengerts(file):
            found = found._replace(inner=reached.tb_frame)
        reached = reached.tb_next
    return found


def raises(where: Site) -> bool:
    """Whether the line raises an error itself."""
    return where.frame.f_code.co_code[where.instruction] == opcode.opmap["RAISE_VARARGS"]


# -- what ------------------------------------------------------------------------------------------


def use_at(where: Site | None) -> Use:
    """What the line does with the value."""
    if where is None:
        return Use("", "", "", "", None)
    node = _expression(where.frame.f_code, where.instruction)
    kind, text, target = "", "", None
    if isinstance(node, ast.Call):
        kind, text = "call", ast.unparse(node.func)
        target = _looked_up(node.func, where.frame)
    elif isinstance(node, ast.Subscript):
        kind, text = "item", ast.unparse(node)
        operation = where.frame.f_code.co_code[where.instruction]
        if operation == opcode.opmap["STORE_SUBSCR"]:
            kind = "assignment"
    elif isinstance(node, (ast.Dict, ast.Set, ast.Compare, ast.SetComp, ast.DictComp)):
        kind, text = "key", ast.unparse(node)
    home, name = _named(target)
    if where.inner is not None and not home:
        home = where.inner.f_globals.get("__name__", "") or ""
        name = where.inner.f_code.co_name
    return Use(kind, text, home, name, target)


@functools.lru_cache(256)
def _expression(code: CodeType, instruction: int) -> ast.expr | None:
    """The expression that an instruction computes, from the source; None where there is none."""
    positions = [*code.co_positions()]
    if not 0 <= instruction // 2 < len(positions):
        return None
    first, last, start, end = positions[instruction // 2]
    if first is None or last is None or start is None or end is None:
        return None
    lines = [linecache.getline(code.co_filename, i).encode() for i in range(first, last + 1)]
    if not lines or not all(lines):
        return None
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    try:
        return ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _looked_up(node: ast.expr, frame: FrameType) -> Any:
    """What a name, or the attribute of a module or class, stands for; None for all else."""
    if isinstance(node, ast.Name):
        for names in (frame.f_locals, frame.f_globals, frame.f_builtins):
            if node.id in names:
                return names[node.id]
    if isinstance(node, ast.Attribute):
        owner = _looked_up(node.value, frame)
        if isinstance(owner, (types.ModuleType, type)):
            return getattr(owner, node.attr, None)
    return None


def _named(target: Any) -> tuple[str, str]:
    """The module and the name of a function or class, of a numba function ``numba``."""
    if target is None:
        return "", ""
    if not isinstance(target, type) and type(target).__module__.partition(".")[0] == "numba":
        return "numba", getattr(target, "__name__", "f")
    return getattr(target, "__module__", None) or "", getattr(target, "__name__", "")


# -- what to write ---------------------------------------------------------------------------------

_OTHERWISE = (
    "wg.custom_jvp for the function of another library (docs/custom.md); wg.stop_gradient(x) "
    "where the derivative is meant to be zero"
)

_PACKAGES = {
    "numba": "{text}.py_func(x) for {text}(x), the function that numba has compiled, and wg.jit "
    "around the whole for speed",
    "pandas": 'table["a"].to_numpy() for a column that is computed with, and a dict of arrays, '
    '{{"a": x}}, for pd.DataFrame({{"a": x}})',
    "json": "wg.stop_gradient(x) for the x that is written as text, or json.dumps of what the "
    "function returns",
    "_json": "wg.stop_gradient(x) for the x that is written as text, or json.dumps of what the "
    "function returns",
    "decimal": "x for Decimal(x), in floating point; Decimal(wg.stop_gradient(x)) of a value that "
    "is only shown",
    "fractions": "x for Fraction(x), in floating point; Fraction(wg.stop_gradient(x)) of a value "
    "that is only shown",
    "statistics": "np.mean(x), np.median(x), np.std(x, ddof=1) for statistics.mean, .median and "
    ".stdev",
    **dict.fromkeys(
        "hashlib _hashlib _md5 _sha1 _sha2 _sha3 _blake2 zlib".split(),
        "the computation without a cache that is searched by a hash of the values; {text}("
        "wg.stop_gradient(x)) where the hash is only shown",
    ),
    "_struct": "np.array([x, y]) for numbers that are computed with; wg.stop_gradient(x) for the x "
    "that is written to a file",
    "array": 'np.array([x, y]) for array.array("d", [x, y])',
    "ctypes": "wg.custom_jvp around the function of C's, with a rule (docs/custom.md)",
    "datetime": "a number of seconds for a timedelta; wg.stop_gradient(x) for the x of a date",
    "math": "np.{twin}(x) for math.{name}(x)",
    "cmath": "np.{twin}(x + 0j) for cmath.{name}(x)",
    "numpy.matrixlib": "np.array([[a, b], [c, d]]) for np.matrix, with A @ B for A * B",
    "numpy.ma": "np.where(mask, 0.0, x) with the mask as an array of its own, and "
    "np.mean(x, where=~mask) for x.mean()",
    "sklearn": "the formula in NumPy of what the fitted model computes, as X @ model.coef_; or "
    + _OTHERWISE,
    "matplotlib": "the plot after the derivative; wg.stop_gradient(x) for the x that is drawn",
}
"""What to write for what these modules ask for."""

_SCIPY = {
    "linalg.expm": "np.linalg.eigh(x) for the exponential of a symmetric matrix: "
    "(v * np.exp(w)) @ v.T",
    "linalg.block_diag": "np.block([[a, z], [z.T, b]]) with zeros z",
    "linalg.lu_factor": "np.linalg.solve(a, b)",
    "linalg.cho_factor": "np.linalg.cholesky(a) and np.linalg.solve",
    "linalg.cho_solve": "np.linalg.solve(a, b)",
    "linalg.lu_solve": "np.linalg.solve(a, b)",
    "linalg.solve_triangular": "np.linalg.solve(a, b)",
    "integrate.quad": "np.polynomial.legendre.leggauss(n) for points t and weights w, and w @ f(t)",
    "integrate.odeint": "scipy.integrate.solve_ivp(f, (0, t), y), which is written in NumPy",
    "integrate.simpson": "np.trapezoid(y, x)",
    "interpolate": "np.interp(x, points, values)",
    "signal": "np.convolve(x, y)",
    "ndimage": "np.convolve(x, y)",
    "stats": "its formula: np.exp(-x * x / 2) / np.sqrt(2 * np.pi) for norm.pdf(x)",
    "spatial.transform": "np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]), the matrix "
    "of a turn by a, and products of such matrices",
    "spatial": "np.linalg.norm(x[:, None] - y[None], axis=-1) for cdist(x, y)",
    "sparse": "s.toarray() of a sparse matrix s",
    "special.expit": "1 / (1 + np.exp(-x))",
    "special.logit": "np.log(x) - np.log1p(-x)",
    "special.logsumexp": "np.logaddexp.reduce(x)",
    "special.softmax": "np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x)))",
    "special.xlogy": "x * np.log(y)",
    "special.xlog1py": "x * np.log1p(y)",
    "special.entr": "-x * np.log(x)",
    "special.rel_entr": "x * np.log(x / y)",
    "special.kl_div": "x * np.log(x / y) - x + y",
    "special.exp10": "10.0**x",
    "special.sindg": "np.sin(np.radians(x))",
    "special.cosdg": "np.cos(np.radians(x))",
    "special.boxcox": "(x**y - 1) / y",
}
"""The nearest that has a rule, or a formula, for functions of SciPy's, by module where for all."""


def remedy(use: Use) -> str:
    """What to write instead of a use; nothing where nothing is known of it."""
    home = use.package
    if home.partition(".")[0] == "scipy":
        nearest = nearest_to(f"{home}.{use.name}")
        return f"{nearest}; {_OTHERWISE}" if nearest else _OTHERWISE
    while home:
        if home in _PACKAGES:
            text = use.text or use.name
            twin = _NUMPYS.get(use.name, use.name)
            return _PACKAGES[home].format(text=text, name=use.name, twin=twin)
        home = home.rpartition(".")[0]
    return ""


_NUMPYS = {
    **{f"a{name}": f"arc{name}" for name in "sin cos tan sinh cosh tanh".split()},
    "atan2": "arctan2",
    "pow": "power",
    "fsum": "sum",
}


def nearest_to(function: str) -> str:
    """The function, of NumPy's or SciPy's, with a rule that is nearest to one of SciPy's."""
    parts = function.split(".")[1:]
    area, name = parts[0] if parts else "", parts[-1] if parts else ""
    for key in (f"{area}.{name}", ".".join(parts[:2]), area):
        if key in _SCIPY:
            return _SCIPY[key]
    for module, home in ((np.linalg, "np.linalg"), (np.fft, "np.fft"), (np, "np")):
        twin = getattr(module, name, None)
        if twin in _ruled():
            return f"{home}.{name}(x)"
    if area == "optimize":
        return f"wg.optimize.{_OPTIMIZERS.get(name, 'minimize')}"
    alike = [each for each in _special() if each[:3] == name[:3]]
    return f"scipy.special.{alike[0]}" if area == "special" and alike else ""


FUNCTIONS["nearest"] = nearest_to

_OPTIMIZERS = {
    **{name: name for name in "least_squares curve_fit root root_scalar minimize_scalar".split()},
    **dict.fromkeys("brentq brenth bisect ridder newton toms748".split(), "root_scalar"),
    "fsolve": "root",
    "leastsq": "least_squares",
}


def _ruled() -> set[Any]:
    return {*FUNCTIONS, *UFUNCS}


def _special() -> Iterator[str]:
    """The names of SciPy's special functions that have rules."""
    module = sys.modules.get("scipy.special")
    for function in _ruled():
        name = getattr(function, "__name__", "")
        if isinstance(function, np.ufunc) and getattr(module, name, None) is function:
            yield name


# -- errors ----------------------------------------------------------------------------------------


def conversion(what: str, otherwise: str, advice: str = "") -> TracedArrayError:
    """The error for a plain value that was asked of a traced one.

    ``what`` was done to it; ``advice`` is the remedy, if there is one already, and ``otherwise``
    where the line tells nothing better.
    """
    use = use_at(site())
    by, better = "", ""
    if use.kind == "assignment":
        by = f" by the assignment into {use.text}"
        better = "np.zeros_like(x, shape=n), an array of NumPy's to assign into, for np.zeros(n) "
        better += "or an array that is none of NumPy's"
    elif use.kind == "item":
        by = f" by {use.text}"
    elif use.kind == "call":
        by = f" by {use.text}"
        better = advice_on(use)
    elif use.package:
        by, better = f" by {use.package}.{use.name}", remedy(use)
    if use.package.partition(".")[0] in _STOOD_IN_FOR:
        otherwise += ABSENT[0]
        advice, better = advice and advice + ABSENT[0], better and better + ABSENT[0]
    return TracedArrayError(
        f"{what}{by}, which would cut the derivative", remedy=advice or better or otherwise
    )


_STOOD_IN_FOR = ("", "builtins", "cmath", "math", "numpy", "statistics")
"""Packages with C functions that take traced values where there are stand-ins."""


def advice_on(use: Use) -> str:
    """What to write instead of a call; nothing where nothing is known of it."""
    return remedy(use) or _CALLS.get(use.text.rpartition(".")[2], "")


_CALLS = {
    "__new__": "functions of arrays, or a class that has an array as an attribute, for a subclass "
    "of np.ndarray that is made from memory",
    "float": "x for float(x)",
    "complex": "a + 1j * b for complex(a, b)",
    "item": "x for x.item()",
    "float64": "x for np.float64(x)",
    "dot": "A @ x for A.dot(x)",
    "asarray": "x for np.asarray(x), np.stack([a, b]) for np.asarray([a, b])",
    "array": "x.copy() for np.array(x), np.stack([a, b]) for np.array([a, b])",
    "nditer": "for v in x.flat, or for v, w in zip(x.flat, y.flat), in place of np.nditer; to "
    "write: for i in np.ndindex(*y.shape) with y[i] = v, or for i, v in enumerate(y.flat) with "
    "y.flat[i] = v",
    "arange": "np.linspace(0, x, n) of a given length n for np.arange(0, x), or x * np.arange(n) "
    "for np.arange(0, n * x, x)",
    "normal": "m + s * rng.normal(size=n) for rng.normal(m, s, n)",
    "uniform": "a + (b - a) * rng.random(n) for rng.uniform(a, b, n)",
    "exponential": "s * rng.standard_exponential(n) for rng.exponential(s, n)",
    "lognormal": "np.exp(m + s * rng.normal(size=n)) for rng.lognormal(m, s, n)",
    "gamma": "s * rng.standard_gamma(k, n) for rng.gamma(k, s, n)",
}


def hashing() -> TracedArrayError:
    """The error for the hash of a traced value."""
    use = use_at(site())
    what = "the hash of a traced value was asked for, as dicts, sets and functools.lru_cache do"
    if use.kind == "call" and hasattr(use.target, "cache_info"):
        what = f"{use.text} keeps its results under its arguments, and was given a traced value"
        advice = f"{use.text}.__wrapped__(x) for {use.text}(x)"
    elif use.kind in ("key", "item", "assignment"):
        what = f"a traced value is the key in `{use.text}`, whose hash was asked for"
        advice = "wg.stop_gradient(x) for the x that a table is asked for; a list of pairs, and "
        advice += "x == key, for a table that keeps derivatives"
    else:
        advice = "wg.stop_gradient(x) for the x that a table is asked for; f.__wrapped__(x) for a "
        advice += "function f under functools.lru_cache"
    return TracedArrayError(
        f"{what}. What is kept under it would outlive its derivative", remedy=advice
    )


# -- texts -----------------------------------------------------------------------------------------


def formats(frame: FrameType) -> bool:
    """Whether a frame is at the ``%`` of ``"%.3f" % x``, or of a message of ``logging``."""
    node = _expression(frame.f_code, frame.f_lasti)
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod)
