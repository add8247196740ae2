"""Random programs as text: plain NumPy with views, layouts, mixed dtypes, rules of the user's own.

A program is written statement by statement, and each statement is run as it is written, so that
what is written is what NumPy accepts. It is a function of one to three arguments that returns every
value that depends on them. A seed gives the same program everywhere; a statement that NumPy refused
is kept beside the program, for the same to be refused of traced values.
"""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PRELUDE = """\
import numpy as np
import scipy.special
import wengert as wg


def bump(a, v):
    a += v


@wg.custom_jvp
def cube(x):
    return x * x * x


@cube.defjvp
def cube_jvp(primals, tangents):
    (x,), (x_dot,) = primals, tangents
    return cube(x), 3 * x * x * x_dot


@wg.custom_vjp
def blend(x, y):
    return x * 0.5 + y * x


def blend_fwd(x, y):
    return blend(x, y), (x, y)


def blend_bwd(saved, ct):
    x, y = saved
    return ct * (0.5 + y), ct * x


blend.defvjp(blend_fwd, blend_bwd)


@wg.custom_jvp
def erf(x):
    return scipy.special.erf(x)


@erf.defjvp
def erf_jvp(primals, tangents):
    (x,), (x_dot,) = primals, tangents
    return erf(x), 2 / np.sqrt(np.pi) * np.exp(-x * x) * x_dot
"""

# -- what there is to choose from ------------------------------------------------------------------

ARITHMETIC = """
-{a} | +{a} | abs({a}) | np.abs({a}) | {a} * 2.0 | 0.5 * {a} | np.sqrt(np.abs({a}) + 0.5)
np.square({a}) | {a} ** 2 | {a} * {a} | np.floor({a}) | np.sign({a}) | np.maximum({a}, 0.1)
{a} // 1 | np.positive({a}) | np.conj({a}) | {a}.conj() | np.where({a} > 0, {a}, 0.5)
np.clip({a}, -0.7, 0.7) | np.round({a}, 1) | np.nan_to_num({a}) | np.rint({a})
1 / (1 + {a} * {a}) | {a} % 0.75 | np.fabs({a}) | {a} + {b} | {a} - {b} | {a} * {b}
{a} / (2 + {b} * {b}) | np.maximum({a}, {b}) | np.fmin({a}, {b}) | np.where({a} > 0, {b}, {a})
{a} + {c} | {c} * {a} | {a} - {c} | np.add({a}, {c}) | np.multiply({c}, {a}) | np.minimum({c}, {a})
{c} / (2 + {a} * {a}) | {a} * {b} + {c} | {a} + 1 | 2 * {a} | {a} * True | np.copysign({a}, {b})
np.subtract({a}, {b}, dtype={d}) | np.heaviside({a}, 0.5) | np.select([{a} > 0], [{b}])
"""

FUNCTIONS = """
np.sin({a}) | np.tanh({a}) | np.exp(-{a} * {a}) | np.log(1.5 + {a} * {a}) | np.cos({a})
np.arctan({a}) | np.exp(1j * {a}) | np.hypot({a}, {b}) | np.arctan2({a}, 1.5 + {b})
np.logaddexp({a}, {b}) | np.sinc({a}) | 0.5 ** {a} | np.power(1.5 + {a} * {a}, {b})
np.angle({a} + 3) | np.cbrt({a} + 3) | np.expm1({a}) | np.cumsum({a}) | np.cumsum({a}, axis=0)
np.cumprod({a}, axis=-1) | np.diff({a}) | np.gradient({a}) | np.sum({a}) | np.sum({a}, axis=0)
{a}.sum(axis=-1, keepdims=True) | np.mean({a}) | {a}.mean(0) | np.prod({a}, axis=0) | np.var({a})
np.std({a} + np.arange({a}.size).reshape({a}.shape)) | np.max({a}) | {a}.min(axis=0)
np.sum({a}, where={a} > 0, initial=0.5) | np.max({a}, initial=0.1) | np.median({a})
np.max({a}, axis=0, keepdims=True) | np.ptp({a}) | np.trace({a}) | np.linalg.norm({a})
np.mean({a}, axis=()) | np.dot({a}, {b}) | {a} @ {b} | {a}.T @ {b} | np.inner({a}, {b})
np.outer({a}, {b}) | np.vdot({a}, {b}) | np.einsum('i,i', {a}, {b})
np.einsum('ij,ij->i', {a}, {b}) | np.einsum('i...->...', {a}) | {c} @ {a}
np.tensordot({a}, {b}, 1) | np.kron({a}, {b}) | np.einsum('ij->', {a}) | np.average({a}, axis=0)
np.interp({a}, [-1.0, 0.0, 2.0], [0.5, -0.5, 1.0]) | np.convolve({a}, {b})
np.linalg.inv({a} @ {a}.T + np.eye(len({a}))) | np.polyval([0.5, -1.0, 0.25], {a})
np.logspace(0.0, {a}, 3) | np.linspace({a}, 1.0, 3) | np.cross({a}, {b}) | sum({a})
np.add.reduce({a}) | np.add.accumulate({a}) | np.add.outer({a}, {b}) | np.nansum({a}) | np.i0({a})
cube({a}) | blend({a}, {b}) | erf({a}) | cube({a}[0]) | blend({a}, 0.5)
cube({a}) * blend({b}, {a}) | wg.stop_gradient({a}) * {b} | np.linalg.det({a})
np.quantile({a}, 0.3) | np.unwrap({a}) | np.sum([{a}, {b}]) | np.max([{a}, {b}], axis=0)
np.mean([{a}, {b}])
"""

VIEWS = """
{a}[{i}] | {a}[{i}] | {a}[{i}] | {a}[{i}] | {a}.T | {a}[::-1] | np.transpose({a})
np.swapaxes({a}, 0, -1) | {a}.reshape(-1) | np.reshape({a}, (-1, 1)) | {a}.ravel()
np.ravel({a}, order='K') | {a}.ravel('F') | np.ravel({a}, order='A') | np.squeeze({a})
{a}.squeeze() | np.expand_dims({a}, 0) | {a}[...] | {a}[()] | {a}[None] | {a}.diagonal()
np.diag({a}) | np.broadcast_to({a}, (2, *np.shape({a}))) | {a}.view() | np.asarray({a})
np.asanyarray({a}) | np.ascontiguousarray({a}) | np.asfortranarray({a}) | np.atleast_1d({a})
np.atleast_2d({a}) | np.moveaxis({a}, 0, -1) | np.einsum('ii->i', {a}) | np.einsum('ij->ji', {a})
np.einsum('ij', {a}) | np.einsum('...->...', {a}) | {a}.astype(float, copy=False) | {a}.astype({d})
{a}.astype({d}, copy=False) | np.astype({a}, {d}) | np.nan_to_num({a}, copy=False) | {a}.flat[:2]
{a}.flat[0] | np.lib.stride_tricks.sliding_window_view({a}, 2, 0) | np.split({a}, [1])[0]
np.array_split({a}, 2)[1] | np.rot90({a}) | np.flip({a}) | np.flipud({a}) | np.fliplr({a})
np.real({a}) | np.imag({a}) | {a}.real | {a}.imag | np.require({a}, requirements='F')
np.broadcast_arrays({a}, {b})[0] | np.meshgrid({a}, {a}, copy=False)[0] | np.copy({a})
{a}.copy('F') | {a}.copy('K') | np.array({a}, order='F') | np.array({a}) | np.array({a}, ndmin=2)
np.array({a}, copy=None, ndmin=2) | {a}.flatten() | {a}.flatten('K') | next(iter({a}))
list({a})[-1] | np.unstack({a})[0] | {a}.mT | np.matrix_transpose({a}) | {a}.swapaxes(0, -1)
{a}.reshape({a}.shape) | np.reshape({a}, -1, order='F') | np.reshape({a}, -1, copy=True)
np.roll({a}, 1) | {a}.reshape({a}.shape[::-1]) | {a}.reshape(-1, order='A') | np.rollaxis({a}, -1)
np.roll({a}, 0) | np.roll({a}, 1, axis=0) | np.pad({a}, 1) | np.tile({a}, 2) | np.repeat({a}, 2)
np.repeat({a}, 1, axis=0) | np.sort({a}) | np.sort({a}, axis=0) | np.concatenate([{a}, {b}])
np.stack([{a}, {a}]) | np.hstack([{a}, {b}]) | np.vstack([{a}, {b}]) | np.resize({a}, 4)
np.tril({a}) | np.append({a}, 1.0) | np.take({a}, [0, -1], axis=0) | {a}[[0, -1]] | {a}[{a} > 0]
np.diagonal({a}) | np.linalg.diagonal({a}) | {a}[..., 0] | {a}[0] | {a}[:0] | np.zeros_like({a})
np.ones_like({a}) | np.full_like({a}, 0.25) | np.zeros_like({a}, shape=3) | np.trim_zeros({a})
np.array([{a}[0], {a}[-1]]) | np.array([{a}[0], 1.0, {a}[-1]]) | np.array([{a}, {b}])
np.array([{a}[0], {b}[0]], dtype=object) | np.array([[{a}[0], 0.5], [1.0, {b}[-1]]])
np.asarray([{a}[0], {a}[0]]) | {a} if np.ndim({a}) else np.array({a}) | np.delete({a}, 0)
np.insert({a}, 0, 0.5) | np.partition({a}, 1, axis=0)[1] | {a}.take([0])
np.permute_dims({a}, None)
np.vsplit({a}, [1])[-1] | np.concatenate([{a}]) | np.block([[{a}, {a}]])
np.column_stack([{a}, {b}])
"""

FACTS = """
float(np.ndim({a}))
float(isinstance({a}, np.ndarray)) | float(np.isscalar({a}))
float(isinstance({a}, float)) | float(hasattr({a}, 'shape')) | float(np.size({a}))
float(np.shares_memory({a}, {b})) | float(len({a})) | float(np.may_share_memory({a}, {b}))
float({a}.flags.c_contiguous) | float({a}.flags['F_CONTIGUOUS'])
float(isinstance({a}, np.floating)) | float({a}.ndim)
float({a}.flags.writeable) | np.argmax({a}) | np.argsort({a}, kind='stable')
{a} > 0 | np.isfinite({a}) | {a}.astype(int) | np.count_nonzero({a})
np.any({a} > 0)
np.sign({a}).astype(np.int8) | float(callable({a}))
"""

WRITES = """
{t}[{j}] = {v} | {t}[{j}] = {v} | {t}[{j}] += {v} | {t}[{j}] *= {v} | {t}[{j}] -= {v} | {t} += {v}
{t} *= 0.5 | {t} -= {v} | {t} /= 2.0 | {t} **= 2 | {t}[...] = {v} | {t}[()] = {v}
np.copyto({t}, {v}) | np.copyto({t}, 0.5) | np.copyto({t}, {v}, where={t} > 0) | {t}.fill(0.5)
np.put({t}, [0, -1], {v}) | {t}.put(0, 0.5) | np.putmask({t}, {t} > 0, {v})
np.place({t}, {t} > 0, [0.25, 0.75]) | np.fill_diagonal({t}, {v}) | np.add.at({t}, 0, {v})
np.add.at({t}, [0, 0], {v}) | np.subtract.at({t}, ([0, 0], [1, 1]), 0.5)
np.multiply({t}, {v}, out={t}) | np.add({t}, {v}, out={t}, where={t} > 0) | np.tanh({t}, out={t})
{t}.sort() | {t}.flat[0] = {v} | {t}.flat = np.add({v}, 0.0) | {t}.flat[:] = 0.5 | {t}.T[...] = {v}
{t}.real = {v} | {t}.imag = {v} | {t}[{t} > 0] = {v} | {t}[{t} > 0] *= 0.5
{t}[0], {t}[-1] = {t}[-1], {t}[0] | {t}[1:] = {t}[:-1] | {t}[1:] += {t}[:-1] | {t}[:] = {t}[::-1]
{t} += {t}.T | np.cumsum({t}, axis=0, out={t}) | np.clip({t}, -0.5, 0.5, out={t})
np.nan_to_num({t}, copy=False) | np.negative({t}, {t}) | bump({t}, {v}) | {t}.sort(axis=0)
np.floor({t}, {t}) | np.einsum('ii->i', {t})[...] = {v} | np.einsum('ij->ji', {t})[0] = {v}
{t}.reshape(-1)[0] = {v} | {t}.ravel()[0] = {v} | {t}.ravel('K')[-1] = {v}
np.squeeze({t})[...] = {v} | np.flip({t})[0] = {v} | {t}[[0, -1]] = {v} | {t}[[0, -1]] += {v}
{t}[..., 0] = {v} | {t}[None][0] *= 0.5 | {t}.swapaxes(0, -1)[0] += {v}
np.diagonal({t})[...] = {v} | {t}[:, 0] = {v} | {t}.view()[0] = {v} | np.asarray({t})[-1] = {v}
np.broadcast_to({t}, (2, *{t}.shape))[0] = {v} | {t}.astype(float, copy=False)[0] = {v}
bump({t}[0], {v}) | np.put_along_axis({t}, np.argsort({t}), {v}, -1) | {t}.partition(0); {t}.sort()
np.copyto({t}, [0.5], casting='unsafe') | np.atleast_1d({t})[0] = {v}
np.reshape({t}, -1, order='F')[0] = {v} | np.split({t}, [1])[0][...] = {v}
"""

LOOPS = """
for row in {t}: row *= 0.5 | for k in range(len({t})): {t}[k] = {t}[k] * 0.5 + 0.1
for k in range(1, len({t})): {t}[k] += {t}[k - 1] | for r in list({t}): bump(r, 0.25)
{n}, *_ = {a} | *_, {n} = {a} | {n} = {a}; {n} = {n} + {b} | {n} = {a} if {a}.ndim else {b} * 1.0
{n} = {a}; {n} += {v} | {n} = {a}[:]; {n} *= 0.5 | {n} = [{a}, {b}][0] | {n} = {a}.__getitem__(0)
{n} = np.empty_like({a}); {n}[...] = {b}
{n} = np.empty({a}.shape, {a}.dtype, like={a}); {n}.fill(0.5)
{n} = np.add({a}, {b}, out=np.zeros_like({a})) | {n} = np.zeros_like({a}); {n}[0] = {b}[0]
{n} = np.zeros_like({a}); {n}[{j}] = {v}; {n}[0] += 1
"""

CONSTANTS = """
np.array([1.0, -2.0, 0.5]) | np.arange(3) | np.array([1.0, -2.0, 0.5], dtype=object) | 2 | 1.5
-0.5 | True | np.array([True, False, True]) | np.float32(0.5)
np.array([0.25, 1.5, -0.75], np.float32) | [0.5, -1.0, 2.0] | np.ones((2, 3), order='F')
np.zeros((0,)) | 1j | np.array([1j, 2.0, -0.5j]) | np.complex64(1 - 1j) | np.int32(3)
np.array(0.5) | np.eye(3) | np.array([[1, 2, 3]], np.int8) | np.arange(6.0).reshape(3, 2).T
np.float64(0.75) | np.array([[0.5], [-1.5]]) | np.array([2, 0.5, 1j], dtype=object)
np.array(1.5, dtype=object) | (1.0, 2.0, -1.0) | np.array([0.5, 1, np.float64(2)], dtype=object)
np.uint8(2) | np.broadcast_to(0.5, (3,)) | np.arange(3.0)[::-1]
"""

DTYPES = ["float", "np.float32", "complex", "np.complex64", "np.float64", "float", "np.float32"]


def _table(text: str) -> list[str]:
    return [item.strip() for line in text.strip().splitlines() for item in line.split(" | ")]


KINDS: list[tuple[float, str, list[str]]] = [
    (3.0, "exact", _table(ARITHMETIC)),
    (2.5, "rough", _table(FUNCTIONS)),
    (4.0, "exact", _table(VIEWS)),
    (0.4, "exact", _table(FACTS)),
    (4.0, "write", _table(WRITES)),
    (1.0, "write", _table(LOOPS)),
]
_BOXES = re.compile(r"np\.(as\w*array|array|require|stack|hstack|vstack|block)\(|np\.\w+\(\[")
_TABLE_CONSTANTS = _table(CONSTANTS)
_ROUGH = re.compile(r"tanh|cumsum|\.at\(|\bsum|\*\* ?2|//|%")
_OF_NUMBERS = re.compile(r"conj\(|copy=False|\breal\b|\bimag\b")
_SAYS_LITTLE = re.compile(
    r"a sequence|single item|0-dimensional|`like`|of ufunc|\('O'\)|ambiguous|deprecat|discard"
)
_PLAIN_NUMBER = re.compile(r"-?[\d.]+")
_NAME = re.compile(r"(?<![\w.'])[a-z]\d*(?![\w'(=])")

# -- a program -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """One line, the names that it reads and sets, and whether it rounds in an order of its own."""

    text: str
    rough: bool
    touched: tuple[str, ...]
    fixed: bool = False
    """Whether the program is none without it."""


@dataclass(frozen=True)
class Source:
    """A program: expressions for its arguments, its lines, and the names that it returns."""

    seed: int
    arguments: tuple[str, ...]
    statements: tuple[Statement, ...]
    results: tuple[str, ...]
    exact: bool
    """Whether every way to compute the program must give the same bits."""
    refused: tuple[int, Statement] | None = field(default=None, compare=False)
    """A line that NumPy refuses after so many of the statements."""

    @property
    def boxed(self) -> bool:
        """Whether dtypes may differ from NumPy's.

        In an array of objects, as NumPy makes of traced numbers, what is written keeps a dtype of
        its own; and a Python number that is differentiated is an ``np.float64``.
        """
        numbers = any(map(_PLAIN_NUMBER.fullmatch, self.arguments))
        return numbers or any(_BOXES.search(s.text) for s in self.statements)

    @property
    def parameters(self) -> tuple[str, ...]:
        return ("x", "y", "z")[: len(self.arguments)]

    def body(self, noisy: bool = False, double: bool = False) -> str:
        """The function as text; with noise after each line, or in double precision only."""
        lines = [f"def f({', '.join(self.parameters)}):"]
        for statement in self.statements:
            touched = [n for n in statement.touched if noisy and n not in self.parameters]
            lines.append(f"    {statement.text}")
            lines += [f"    {name} = noise({name})" for name in touched]
        lines.append(f"    return {', '.join(self.results)},")
        return _doubled("\n".join(lines)) if double else "\n".join(lines)

    def listing(self) -> str:
        """The program as a file that runs."""
        arguments = "\n".join(
            f"{name} = {text}" for name, text in zip(self.parameters, self.arguments, strict=True)
        )
        names = ", ".join(self.parameters)
        used = PRELUDE if re.search(r"cube|blend|erf|bump|wg\.", self.body()) else _IMPORTS
        return f"{used}\n\n{self.body()}\n\n\n{arguments}\nprint(f({names}))\n"


_IMPORTS = "import numpy as np\nimport wengert as wg\n"


def _doubled(text: str) -> str:
    return text.replace("float32", "float64").replace("complex64", "complex128")


_ENVIRONMENT: dict[str, Any] = {}
exec(PRELUDE, _ENVIRONMENT)


def environment(**names: Any) -> dict[str, Any]:
    """What a program finds around it."""
    return {**_ENVIRONMENT, **names}


def function(text: str, **names: Any) -> Callable[..., Any]:
    """The function ``f`` that a text defines."""
    space = environment(**names)
    exec(compile(text, "<program>", "exec"), space)
    return space["f"]


def arguments(source: Source, double: bool = False) -> list[Any]:
    """The arguments of a program, fresh ones at each call."""
    texts = map(_doubled, source.arguments) if double else source.arguments
    return [eval(text, _ENVIRONMENT) for text in texts]


# -- writing one -----------------------------------------------------------------------------------

SHAPES = [(), (3,), (3,), (3,), (2, 3), (3, 3), (3, 2), (1,), (0,), (2, 1, 3), (1, 3), (4,)]


class Writer:
    """Writes one program."""

    complex = False
    """Whether a value is complex, or of objects: then more rounds than what is called rough."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.seed = seed
        self.statements: list[Statement] = []
        self.refused: list[tuple[int, Statement]] = []
        self.values: dict[str, Any] = environment()
        self.moving: list[str] = []
        self.count = 0
        texts = [self.argument() for _ in range(self.rng.choice([1, 1, 2, 2, 3]))]
        self.arguments = tuple(texts)
        for name, text in zip("xyz", texts, strict=False):
            self.values[name] = eval(text, _ENVIRONMENT)
            self.moving.append(name)
        self.complex = any("complex" in text for text in texts)

    # -- what is chosen --------------------------------------------------------------------------

    def number(self) -> str:
        size = self.rng.randint(60, 1800) / 1000 + self.rng.randint(1, 9) * 1.7e-5
        return f"{self.rng.choice([-1, 1]) * size:.6f}"

    def argument(self) -> str:
        """The text of an argument of some shape, dtype and layout."""
        shape = self.rng.choice(SHAPES)
        count = int(np.prod(shape))
        dtype = self.rng.choice(["float"] * 7 + ["np.float32"] * 2 + ["complex", "np.complex64"])
        if not shape:
            plain = dtype == "float" and self.rng.random() < 0.5
            texts = [self.number()] if plain else [f"np.array({self.number()}, {dtype})"]
            return self.rng.choice([*texts, f"np.float64({self.number()})"])
        numbers = [self.number() for _ in range(count)]
        if "complex" in dtype:
            numbers = [f"{x}{float(self.number()):+}j" for x in numbers]
        flat = f"np.array([{', '.join(numbers)}], {dtype})"
        ordinary = flat if len(shape) == 1 else f"{flat}.reshape({shape})"
        turned = f"{flat}.reshape({shape[::-1]}).T"
        return self.rng.choice(
            [
                *([ordinary] * 4),
                *([turned] * 2),
                f"np.asfortranarray({ordinary})",
                f"{ordinary}[::-1]",
                f"np.repeat({ordinary}, 2, axis=-1)[..., ::2]",
            ]
        )

    def index(self, shape: Sequence[int]) -> str:
        """An index into an array of some shape: mostly a basic one."""
        if not shape:
            return self.rng.choice(["...", "()", "None"])
        items: list[str] = []
        for n in shape[: self.rng.randint(1, len(shape))]:
            choices = ["0", "-1", ":", "::-1", "1:", ":-1", "::2", ":1", "...", "None", ":0"]
            weights = [4, 3, 3, 3, 4, 2, 2, 2, 1, 1, 0.3]
            if n > 1:
                choices += ["[0, -1]", "[1, 0]", "1:2"]
                weights += [0.7, 0.7, 1]
            items += self.rng.choices(choices, weights)
        return ", ".join(items)

    def pick(self, allowed: Callable[[Any], bool] = lambda x: True) -> str:
        """A name of a value that depends on the arguments, the later ones likelier."""
        names = [n for n in self.moving if allowed(self.values[n])]
        if not names:
            return "x"
        return names[-1 - min(int(self.rng.expovariate(0.45)), len(names) - 1)]

    def target(self) -> str:
        names = [n for n in self.moving if n not in ("x", "y", "z") or self.rng.random() < 0.1]
        names = [n for n in names if np.asarray(self.values[n]).dtype.kind in "fciuO"]
        names = [n for n in names if isinstance(self.values[n], np.ndarray)]
        if not names:
            return "x"
        return names[-1 - min(int(self.rng.expovariate(0.35)), len(names) - 1)]

    def constant(self) -> str:
        """A constant: no objects beside complex numbers, which NumPy takes for real ones there."""
        text = self.rng.choice(_TABLE_CONSTANTS)
        return "1.5" if self.complex and "object" in text else text

    def part(self, target: str, index: str) -> str:
        """Something to be written into a target."""
        fits = self.rng.random()
        if fits < 0.45:
            return self.rng.choice(["0.5", "-1.25", "2", "0.0", "[0.25]", "np.float32(1.5)"])
        if fits < 0.75:
            return self.pick()
        return self.rng.choice([f"{self.pick()}[0]", f"{target}[{index}] * 0.5", self.pick()])

    def fill(self, template: str) -> str:
        """A template with its fields filled in."""
        a, t, j = self.pick(), self.target(), ""
        if "{j}" in template:
            j = self.index(np.shape(self.values[t]))
        values = {
            "a": a,
            "b": self.pick(),
            "c": self.constant(),
            "d": self.rng.choice(DTYPES),
            "i": self.index(np.shape(self.values[a])) if "{i}" in template else "",
            "j": j,
            "n": f"v{self.count}",
            "t": t,
            "v": self.part(t, j or "...") if "{v}" in template else "",
        }
        return template.format(**values)

    # -- one statement ---------------------------------------------------------------------------

    def step(self) -> bool:
        """Try to add a statement; False if the values are lost by it."""
        weights = [weight for weight, _, _ in KINDS]
        (_, kind, table), *_ = self.rng.choices(KINDS, weights)
        name = f"v{self.count}"
        text = self.fill(self.rng.choice(table))
        if kind != "write":
            text = f"{name} = {text}"
        rough = kind == "rough" or bool(_ROUGH.search(text))
        touched = [n for n in dict.fromkeys(_NAME.findall(text)) if n in self.values or n == name]
        before = dict(self.values)
        lost = self.outside_memory(text) or self.reads_what_it_writes(text)
        if lost or self.asks_of_objects(text, touched):
            return True
        try:
            with np.errstate(all="ignore"):
                exec(text, self.values)
        except Exception as error:
            self.values = before
            if not _SAYS_LITTLE.search(str(error)):
                self.refused.append((len(self.statements), Statement(text, rough, tuple(touched))))
            return True
        fresh = name in self.values and name in touched
        if fresh and not _usable(self.values[name], 50.0) and kind != "write":
            del self.values[name]
            return True
        if not all(_usable(self.values[n], 1e4) for n in touched if n in self.values):
            return False
        self.statements.append(Statement(text, rough, tuple(touched)))
        if fresh:
            self.count += 1
            self.moving.append(name)
            self.complex |= np.asarray(self.values[name]).dtype.kind not in "fiub"
        return True

    def outside_memory(self, text: str) -> bool:
        """Whether NumPy would read and write where no array is.

        Of the diagonal of an array of shape (0, 3) its einsum makes a view of three elements.
        """
        name = re.search(r"einsum\('ii->i', (\w+)", text)
        shape = np.shape(self.values[name[1]]) if name else ()
        return len(shape) == 2 and 0 in shape and shape[0] != shape[1]

    def reads_what_it_writes(self, text: str) -> bool:
        """Whether NumPy may read what it has just written: a mask chooses, and a part is the value.

        With index arrays it copies a part of the array first.
        """
        assigned = re.fullmatch(r"(\w+)\[\1 > 0\] = (.*)", text)
        if not assigned:
            return False
        try:
            target, value = (eval(side, self.values) for side in assigned.groups())
        except (IndexError, TypeError):
            return False
        return isinstance(value, np.ndarray) and np.shares_memory(target, value)

    def asks_of_objects(self, text: str, touched: Sequence[str]) -> bool:
        """Whether NumPy makes a copy because an array is one of objects, which numbers are not.

        Traced, an array without axes is one of objects too when NumPy has made it: read-only.
        """
        values = [self.values[name] for name in touched if name in self.values]
        arrays = [x for x in values if isinstance(x, np.ndarray)]
        if "writeable" in text and any(not x.ndim for x in arrays):
            return any(_BOXES.search(s.text) for s in self.statements)
        objects = any(x.dtype.kind == "O" for x in arrays)
        return objects and bool(_OF_NUMBERS.search(text))

    def again(self) -> None:
        """Compute the values anew, without what the last statement has written."""
        for name, text in zip("xyz", self.arguments, strict=False):
            self.values[name] = eval(text, _ENVIRONMENT)
        with np.errstate(all="ignore"):
            for statement in self.statements:
                exec(statement.text, self.values)

    def program(self, length: int) -> Source:
        """A program of about so many statements."""
        for _ in range(6 * length):
            if len(self.statements) >= length:
                break
            if not self.step():
                self.again()
                break
        for name in self.moving:
            value = self.values[name]
            if isinstance(value, np.ndarray) and value.dtype.kind == "O":
                kind = "complex" if any(map(np.iscomplexobj, value.ravel())) else "float"
                text = f"{name} = {name}.astype({kind})"
                self.statements.append(Statement(text, False, (name,), fixed=True))
        results = tuple(n for n in self.moving if np.asarray(self.values[n]).dtype.kind in "fciubO")
        refused = self.rng.choice(self.refused) if self.refused else None
        exact = not self.complex and not any(s.rough for s in self.statements)
        return Source(self.seed, self.arguments, tuple(self.statements), results, exact, refused)


def _usable(value: Any, limit: float) -> bool:
    """Whether a value is small, finite, and of a kind that programs go on with."""
    if isinstance(value, (bool, np.bool_)):
        return True
    if not isinstance(value, (np.ndarray, np.generic, int, float, complex)):
        return False
    if np.size(value) > 60 or np.ndim(value) > 4:
        return False
    try:
        wide = np.asarray(value).astype(complex)
    except (TypeError, ValueError):
        return False
    return bool(np.all(np.isfinite(wide)) and np.all(np.abs(wide) < limit))


def write(seed: int, length: int | None = None) -> Source:
    """The program of a seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writer = Writer(seed)
        return writer.program(length or writer.rng.randint(2, 9))
