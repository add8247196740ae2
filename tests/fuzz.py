"""Check random programs (``sources``): every way to a value or a derivative agrees with NumPy.

    python tests/fuzz.py --programs 20000            without native code
    python tests/fuzz.py --programs 3000 --native    under jit as well
    python tests/fuzz.py --first 421 --programs 1    the program of one seed

What is compared, for each program:

- the value in forward mode, in reverse mode, under ``vmap``, in a loop's body and under ``jit``
  (the first call and later ones) with plain NumPy's: the same shape and dtype, and the same bits
  where no order of summation is free, otherwise to within the effect of noise;
- the gradient's dtype with its argument's, and the gradient with the tangent;
- the tangent with differences of the plain program in double precision;
- batches with a loop over them; an error where NumPy raises one.

A refusal (a ``WengertError``) is no failure: refusals are counted. A failure is printed as a
program that runs, without the statements that it does not need.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import sources
import wengert as wg
from sources import Source

NOISE = 8.0
"""Units in the last place by which each result is moved to see what rounding amounts to."""
SLACK = 16.0
RUNS = 8
ROUTES = ("forward", "reverse", "differences", "batch", "loop", "refused")
NATIVE = ("jit", "jit of the gradient")


@dataclass(frozen=True)
class Failure:
    """What went wrong with a program, and in which route."""

    source: Source
    route: str
    what: str

    def __str__(self) -> str:
        return f"# seed {self.source.seed}: {self.route}: {self.what}\n{self.source.listing()}"


_OBJECTS = re.compile(r"dtype\('O'\)|loop of ufunc does not support|supported for the input types")
"""What NumPy says of traced numbers that it has put into an array of objects."""


class Wrong(Exception):  # noqa: N818 - what a route finds
    """A route and NumPy disagree."""


class Undecided(Exception):  # noqa: N818 - no error either
    """Rounding decides about the shapes of a program's results: a mask of what would be zeros."""


# -- the same numbers ------------------------------------------------------------------------------


def _same(found: Any, wanted: Any) -> bool:
    """Whether two values are the same, a NaN being the same as a NaN and -0 as 0."""
    return bool(np.array_equal(found, wanted, equal_nan=np.asarray(wanted).dtype.kind in "fc"))


def _kinds(found: Sequence[Any], wanted: Sequence[Any], source: Source) -> None:
    """Shapes and dtypes of results."""
    for name, y, z in zip(source.results, found, wanted, strict=True):
        y, z = np.asarray(y), np.asarray(z)
        if y.shape != z.shape or (y.dtype != z.dtype and not source.boxed):
            raise Wrong(f"{name} is {y.dtype}{list(y.shape)}, not {z.dtype}{list(z.shape)}")


class Reference:
    """Plain NumPy's results of a program, and how far noise moves them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.f = sources.function(source.body())
        self.spreads: list[Any] | None = None
        self.results = [np.array(y) for y in self.f(*sources.arguments(source))]

    def spread(self) -> list[Any]:
        """How far each result is moved by noise in every statement.

        Raises ``Undecided`` where noise gives results of other shapes.
        """
        if self.spreads is None:
            arguments = [sources.arguments(self.source) for _ in range(RUNS)]
            self.spreads = self.spread_at(arguments, self.results)
        return self.spreads

    def spread_at(self, arguments: Sequence[Sequence[Any]], results: Sequence[Any]) -> list[Any]:
        """The same at other arguments, of which there is a copy for each run."""
        runs = [self.noisy(seed, args) for seed, args in enumerate(arguments)]
        shapes = [y.shape for y in results]
        if any([y.shape for y in run] != shapes for run in runs):
            raise Undecided
        with np.errstate(all="ignore"):
            return [
                np.max([np.abs(np.subtract(run[i], y, dtype=_wide(y))) for run in runs], axis=0)
                for i, y in enumerate(results)
            ]

    def noisy(self, seed: int, arguments: Sequence[Any]) -> list[Any]:
        f = sources.function(self.source.body(noisy=True), noise=Noise(seed))
        return [np.asarray(y) for y in f(*map(Noise(seed), arguments))]

    def compare(self, found: Sequence[Any], exact: bool) -> None:
        """Raise ``Wrong`` unless results are NumPy's."""
        if not exact and [np.shape(y) for y in found] != [y.shape for y in self.results]:
            self.spread()
        _kinds(found, self.results, self.source)
        for i, (y, z) in enumerate(zip(found, self.results, strict=True)):
            if _same(y, z):
                continue
            name = self.source.results[i]
            spread = 0.0 if exact else SLACK * self.spread()[i]
            if not np.all(np.abs(np.subtract(y, z, dtype=_wide(z))) <= spread):
                raise Wrong(f"{name} is {np.asarray(y).tolist()}, NumPy's is {z.tolist()}")


def _wide(x: Any) -> Any:
    return complex if np.asarray(x).dtype.kind == "c" else float


class Noise:
    """Moves numbers by some units in the last place; arrays in place, so that aliases see it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.sign = (1.0, -1.0)[seed] if seed < 2 else None

    def __call__(self, x: Any) -> Any:
        dtype = getattr(x, "dtype", None)
        if dtype is None or dtype.kind not in "fc":
            return x
        # Every dtype is moved alike where single precision occurs: it may come next.
        size = NOISE * np.finfo(dtype).eps
        by = self.rng.uniform(-1, 1, x.shape) if self.sign is None else np.full(x.shape, self.sign)
        factor = (1 + size * by).astype(np.finfo(dtype).dtype)[()]
        if not isinstance(x, np.ndarray) and not getattr(type(x), "assignable", False):
            return x * factor
        try:
            x *= factor
        except ValueError:  # a view that must not be written to
            return x
        return x


# -- routes ----------------------------------------------------------------------------------------


class Case:
    """A program at its arguments, with a direction and cotangents."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.reference = Reference(source)
        self.f = self.reference.f
        rng = np.random.default_rng([source.seed, 1])
        self.directions = [_random(rng, x) for x in self.arguments()]
        self.cotangents = [_random(rng, y) for y in self.reference.results]
        self.smooth = True

    def arguments(self) -> list[Any]:
        return sources.arguments(self.source)

    def plainly(self, *args: Any) -> tuple[Any, ...]:
        return self.f(*args)

    # -- one at a time ---------------------------------------------------------------------------

    def forward(self) -> None:
        value, tangent = wg.jvp(self.f, tuple(self.arguments()), tuple(self.directions))
        self.reference.compare(value, self.source.exact)
        self.kinds(tangent)
        self.tangent = tangent

    def kinds(self, tangent: Sequence[Any]) -> None:
        for name, t, y in zip(self.source.results, tangent, self.reference.results, strict=True):
            alike = self.source.boxed or y.dtype.kind not in "fc" or np.asarray(t).dtype == y.dtype
            if np.shape(t) != y.shape or not alike:
                raise Wrong(f"the tangent of {name} is {np.asarray(t).dtype}{np.shape(t)}")

    def reverse(self) -> None:
        value, pull = wg.vjp(self.f, *self.arguments())
        self.reference.compare(value, self.source.exact)
        gradient = pull(tuple(self.cotangents))
        for name, g, x in zip(self.source.parameters, gradient, self.arguments(), strict=True):
            if np.shape(g) != np.shape(x) or np.asarray(g).dtype != np.asarray(x).dtype:
                raise Wrong(f"the gradient of {name} is {np.asarray(g).dtype}{np.shape(g)}")
        if not hasattr(self, "tangent"):
            return
        one = _pairing(gradient, self.directions)
        two = _pairing(self.cotangents, self.tangent)
        if not abs(one[0] - two[0]) <= self.rounding() * (one[1] + two[1]):
            if abs(one[0] - two[0]) <= SLACK * self.derivative_spread():
                return
            raise Wrong(f"the gradient gives {one[0]}, the tangent {two[0]}")

    def rounding(self) -> float:
        single = any(y.dtype.char in "fF" for y in self.reference.results)
        single |= any("32" in text or "complex64" in text for text in self.source.arguments)
        return 1e-4 if single or "32" in self.source.body() else 1e-11

    def derivative_spread(self) -> float:
        """How far noise moves the derivative along the direction."""
        found: list[float] = []
        for seed in range(RUNS):
            f = sources.function(self.source.body(noisy=True), noise=Noise(seed))
            _, tangent = wg.jvp(f, tuple(self.arguments()), tuple(self.directions))
            found.append(_pairing(self.cotangents, tangent)[0])
        return max(found) - min(found)

    def differences(self) -> None:
        """The tangent against differences, in double precision."""
        body = self.source.body()
        if not hasattr(self, "tangent") or "stop_gradient" in body or "copy=False" in body:
            return  # in double precision there are other aliases
        f = sources.function(self.source.body(double=True))

        def at(t: float) -> list[Any]:
            points = sources.arguments(self.source, double=True)
            return [np.array(y) for y in f(*_moved(points, self.directions, t))]

        try:
            fine, coarse = _slope(at, 1e-3), _slope(at, 2e-3)
            corners = _corners(at, 1e-3)
        except Exception:  # elsewhere it may be no program of NumPy's
            return
        allowed = 1e-3 if self.rounding() > 1e-10 else 1e-6
        for i, (name, t) in enumerate(zip(self.source.results, self.tangent, strict=True)):
            if self.reference.results[i].dtype.kind not in "fc" or fine[i].shape != np.shape(t):
                continue
            size = 1 + np.max(np.abs(fine[i]), initial=0.0)
            error = np.abs(fine[i] - coarse[i])
            smooth = (error <= 1e-5 * size) & (corners[i] <= 0.05 * size)
            self.smooth &= bool(np.all(smooth))
            wrong = smooth & (np.abs(t - fine[i]) > allowed * size + 16 * error)
            if np.any(wrong):
                raise Wrong(
                    f"the tangent of {name} is {np.asarray(t).tolist()}, differences give "
                    f"{fine[i].tolist()}"
                )

    def rows(self) -> list[list[Any]]:
        """Arguments for a batch of two."""
        return [list(_moved(self.arguments(), self.arguments(), -0.25)), self.arguments()]

    def batch(self) -> None:
        stacks = [
            np.stack(pair).astype(np.asarray(pair[1]).dtype)
            for pair in zip(*self.rows(), strict=True)
        ]
        loop: list[Any] = []
        for i in range(2):
            rows = [x.copy(order="K")[i] for x in stacks]
            try:
                loop.append([np.array(y) for y in self.f(*rows)])
            except (
                TypeError,
                ValueError,
                AttributeError,
            ):  # a number in place of an array without axes
                return
        found = wg.vmap(self.f)(*(x.copy(order="K") for x in stacks))
        for i in range(2):
            rows = [[x.copy(order="K")[i] for x in stacks] for _ in range(RUNS)]
            self.row([y[i] for y in found], loop[i], rows)

    def row(
        self, found: Sequence[Any], wanted: Sequence[Any], arguments: Sequence[Sequence[Any]]
    ) -> None:
        """Compare results with those of plain NumPy at the same arguments, of which these are."""
        spread: list[Any] | None = None
        if not self.source.exact and list(map(np.shape, found)) != list(map(np.shape, wanted)):
            self.reference.spread_at(arguments, wanted)
        _kinds(found, wanted, self.source)
        single = self.rounding() > 1e-10
        for i, (y, z) in enumerate(zip(found, wanted, strict=True)):
            size = 1 + np.max(np.abs(z), initial=0.0)
            if not np.allclose(y, z, rtol=0, atol=(1e-3 if single else 1e-9) * size):
                if not self.source.exact:
                    spread = spread or self.reference.spread_at(arguments, wanted)
                    distance = np.abs(np.subtract(y, z, dtype=_wide(z)))
                    if np.all(distance <= SLACK * spread[i]):
                        continue
                name = self.source.results[i]
                raise Wrong(f"{name} is {np.asarray(y).tolist()}, a loop gives {z.tolist()}")

    def loop(self) -> None:
        """As the body of a loop that is traced once for all values."""

        def step(carry: Any, _: Any) -> tuple[Any, Any]:
            return carry, self.f(*carry)

        try:
            plain = [np.array(y) for y in self.f(*map(_ordered, self.arguments()))]
        except (
            TypeError,
            ValueError,
            AttributeError,
        ):  # a number in place of an array without axes
            return
        _, found = wg.scan(step, tuple(map(_ordered, self.arguments())), None, length=1)
        rows = [list(map(_ordered, self.arguments())) for _ in range(RUNS)]
        self.row([y[0] for y in found], plain, rows)

    def refused(self) -> None:
        """What NumPy raises an error for is an error."""
        if self.source.refused is None or self.source.boxed or "dtype=object" in self.source.body():
            return
        before, statement = self.source.refused
        cut = replace(self.source, statements=(*self.source.statements[:before], statement))
        known = [*cut.parameters, *(n for s in cut.statements for n in s.touched)]
        cut = replace(cut, results=tuple(n for n in cut.results if n in known[:-1]))
        try:
            wg.jvp(sources.function(cut.body()), tuple(self.arguments()), tuple(self.directions))
        except Exception:
            return
        try:
            sources.function(cut.body())(*self.arguments())
        except NameError:
            return
        except Exception as error:
            raise Wrong(f"`{statement.text}` is accepted, NumPy raises {error!r}") from None

    # -- native code -----------------------------------------------------------------------------

    def jit(self) -> None:
        f = wg.jit(self.f, wait=True)
        for _ in range(3):
            self.reference.compare(f(*self.arguments()), False)
        (other, _) = self.rows()
        with np.errstate(all="ignore"):
            wanted = [np.array(y) for y in self.f(*map(copy.copy, other))]
            rows = [list(map(copy.copy, other)) for _ in range(RUNS)]
            self.row(f(*map(copy.copy, other)), wanted, rows)

    def jit_of_the_gradient(self) -> None:
        def pulled(*args: Any) -> Any:
            return wg.vjp(self.f, *args)[1](tuple(self.cotangents))

        wanted = pulled(*self.arguments())
        f = wg.jit(pulled, wait=True)
        single = self.rounding() > 1e-10
        for _ in range(2):
            found = f(*self.arguments())
            for name, y, z in zip(self.source.parameters, found, wanted, strict=True):
                size = 1 + np.max(np.abs(z), initial=0.0)
                if not np.allclose(y, z, rtol=0, atol=(1e-3 if single else 1e-8) * size):
                    raise Wrong(f"jitted, the gradient of {name} is {y}, not {z}")

    def run(self, route: str) -> None:
        getattr(self, route.replace(" ", "_"))()


def _random(rng: Any, x: Any) -> Any:
    """Numbers in the shape and dtype of a value; None has none."""
    dtype = np.asarray(x).dtype
    if dtype.kind not in "fc":
        return np.zeros(np.shape(x))[()]
    numbers = rng.uniform(0.3, 1.0, np.shape(x)) * rng.choice([-1, 1], np.shape(x))
    if dtype.kind == "c":
        numbers = numbers + 1j * rng.uniform(-1, 1, np.shape(x))
    return np.asarray(numbers).astype(dtype)[()]


def _ordered(x: Any) -> Any:
    """A copy of an argument in C order; a number for an array without axes."""
    return np.array(x, order="C")[()]


def _pairing(cotangents: Sequence[Any], tangents: Sequence[Any]) -> tuple[float, float]:
    """The sum of the real parts of products, and that of their sizes."""
    total = size = 0.0
    for ct, t in zip(cotangents, tangents, strict=True):
        products = np.multiply(ct, t, dtype=_wide(np.multiply(ct, t))).real
        total += float(np.sum(products))
        size += float(np.sum(np.abs(products))) + 1e-3
    return total, size


def _moved(points: Sequence[Any], directions: Sequence[Any], t: float) -> Iterator[Any]:
    """Points along a direction, arrays in the layout that they have."""
    for x, v in zip(points, directions, strict=True):
        if isinstance(x, np.ndarray):
            x += t * v
            yield x
        else:
            yield type(x)(x + t * v)


def _slope(f: Callable[[float], Sequence[Any]], h: float) -> list[Any]:
    """Derivatives at 0 by the central difference of sixth order."""
    pairs = [(f(k * h), f(-k * h)) for k in (1, 2, 3)]
    slopes: list[Any] = []
    for i in range(len(pairs[0][0])):
        a, b, c = (np.subtract(y[i], z[i], dtype=_wide(y[i])) for y, z in pairs)
        slopes.append((45 * a - 9 * b + c) / (60 * h))
    return slopes


def _corners(f: Callable[[float], Sequence[Any]], h: float) -> list[Any]:
    """How far the slopes on both sides of 0 differ."""
    triples = zip(f(-h), f(0.0), f(h), strict=True)
    return [np.abs(np.subtract(y + x, 2 * m, dtype=_wide(m))) / h for x, m, y in triples]


# -- checking, and cutting down --------------------------------------------------------------------


def failures(source: Source, routes: Sequence[str], refusals: Counter[str]) -> Iterator[Failure]:
    """What is wrong with a program; what is refused is counted."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            case = Case(source)
        except Exception as error:
            yield Failure(source, "plain", repr(error))
            return
        for route in routes:
            try:
                case.run(route)
            except Wrong as wrong:
                yield Failure(source, route, str(wrong))
            except Undecided:
                refusals[f"{route}: rounding decides about the program"] += 1
            except wg.errors.WengertError as error:
                refusals[f"{route}: {type(error).__name__}: {str(error).splitlines()[0]}"] += 1
            except AttributeError as error:
                if not source.boxed and "a traced array has no attribute" not in str(error):
                    yield Failure(source, route, repr(error))
                    continue
                refusals[f"{route}: {error}"] += 1
            except Exception as error:
                if source.boxed or _OBJECTS.search(str(error)):
                    refusals[f"{route}: {error}"] += 1
                else:
                    yield Failure(source, route, repr(error))


def smaller(failure: Failure) -> Failure:
    """The same failure of a program with fewer statements and results."""
    again = True
    while again:
        again = False
        for cut in _cuts(failure.source):
            found = next(failures(cut, _needed(failure.route), Counter()), None)
            if found is not None and (found.route, _sort(found)) == (failure.route, _sort(failure)):
                failure, again = found, True
                break
    return failure


def _needed(route: str) -> tuple[str, ...]:
    return ("forward", route) if route in ("reverse", "differences") else (route,)


def _sort(failure: Failure) -> str:
    """What kind of failure it is: the error's class, or that numbers differ."""
    return failure.what.split("(")[0] if "Error(" in failure.what else "wrong"


def _cuts(source: Source) -> Iterator[Source]:
    for i in reversed(range(len(source.statements))):
        if source.statements[i].fixed:
            continue
        left = (*source.statements[:i], *source.statements[i + 1 :])
        known = {*source.parameters, *(n for s in left for n in s.touched)}
        cut = replace(
            source, statements=left, results=tuple(n for n in source.results if n in known)
        )
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                sources.function(cut.body())(*sources.arguments(cut))
        except Exception:
            continue
        if cut.results:
            yield cut
    for name in source.results:
        if len(source.results) > 1:
            yield replace(source, results=tuple(n for n in source.results if n != name))


def search(first: int, count: int, routes: Sequence[str], most: int) -> tuple[int, Counter[str]]:
    """Check programs, print what fails, and count failures and refusals."""
    refusals: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for seed in range(first, first + count):
        source = sources.write(seed)
        for failure in failures(source, routes, refusals):
            failed[failure.route] += 1
            if sum(failed.values()) <= most:
                sys.stdout.write(f"{smaller(failure)}\n")
    sys.stdout.write(f"{sum(failed.values())} failures: {dict(failed)}\n")
    return sum(failed.values()), refusals


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--programs", type=int, default=1000, help="how many programs")
    parser.add_argument("--native", action="store_true", help="compile them as well")
    parser.add_argument("--routes", help="only these routes, separated by commas")
    parser.add_argument("--most", type=int, default=20, help="how many failures are printed")
    parser.add_argument("--refusals", type=int, default=10, help="how many kinds of refusals")
    given = parser.parse_args()
    routes = (*ROUTES, *NATIVE) if given.native else ROUTES
    routes = tuple(given.routes.split(",")) if given.routes else routes
    start = time.perf_counter()
    failed, refusals = search(given.first, given.programs, routes, given.most)
    seconds = (time.perf_counter() - start) / given.programs
    sys.stdout.write(f"{sum(refusals.values())} refusals in {given.programs} programs\n")
    for text, number in refusals.most_common(given.refusals):
        sys.stdout.write(f"  {number} {text}\n")
    sys.stdout.write(f"{1e3 * seconds:.1f} ms a program\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
