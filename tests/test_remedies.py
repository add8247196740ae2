"""What the errors tell to write instead runs, with NumPy alone and in a derivative."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from outcomes import in_a_derivative, plainly, same

SOURCES = Path(wg.__file__).parent

NAMES: dict[str, Any] = {
    "n": 3,
    "shape": (3, 3),
    "i": 1,
    "j": 0,
    "mask": np.array([True, False, True]),
    "condition": np.array([True, False, True]),
    "columns": [0, 1],
    "table": np.array([1.0, 3.0, 5.0]),
    "v": np.array([0.25, 0.75]),
    "c": np.array([1.5, -0.5, 0.25]),
    "k": 2,
    "rtol": 1e-8,
    "q": np.float64(0.3),
    "axis": 0,
    "p": np.array([True, False]),
    "f": np.square,
    "dtype": np.float32,
    "np": np,
    "wg": wg,
}
POINTS: list[Any] = [
    *(0.7, np.float64(0.7), np.array([0.7, 0.4, 0.9]), np.array([0.7 + 0.2j, 0.4j, 1.0])),
    *(np.array([[0.7, 0.2], [0.2, 1.9]]), np.arange(9.0).reshape(3, 3) % 4 + np.eye(3)),
]


PROSE = ("...", "timedelta64", "np.asarray(x)", "np.diff(f)")
"""In what is no code, or is said of what is not traced: times, subclasses of ndarray, values
that are called f."""


def _closed(text: str, start: int) -> str:
    """The expression that begins at ``start``, to the end of its last bracket."""
    end, depth = start, 0
    for end in range(start, len(text)):
        depth += text[end] in "([{"
        depth -= text[end] in ")]}"
        if depth == 0 and text[end] in ")]}" and text[end + 1 : end + 2] not in (".", "["):
            break
    return text[start : end + 1]


def _texts() -> Iterator[str]:
    """What is said in the place of ``remedy=``, anywhere in the package."""
    for path in sorted(SOURCES.rglob("*.py")):
        if path.parent.name in ("demo", "export"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                yield from (
                    part.value
                    for part in ast.walk(node.value)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                value = node.value.value
                if isinstance(value, str) and re.search(r"\bnp\.\w+\(", value):
                    yield value


SNIPPETS = sorted(
    {
        _closed(text, match.start())
        for text in _texts()
        for match in re.finditer(r"(?<![\w.'`])(np|x|c|table|s)\.[\w.]+\(", text)
        if not any(part in _closed(text, match.start()) for part in PROSE)
        and _closed(text, match.start()).count("(") == _closed(text, match.start()).count(")")
        and not text[: match.start()].endswith((" for ", "result=", "x: "))
    }
)


def test_there_are_remedies() -> None:
    assert len(SNIPPETS) > 30


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_remedy_runs_with_and_without_a_derivative(snippet: str) -> None:
    ran = False
    for x in POINTS:
        if snippet.startswith(("x.", "c.")) and not isinstance(x, np.ndarray):
            continue  # a method is advised where there is an array

        def f(x: Any) -> Any:
            names = {"x": x, "a": x, "b": x, "y": x, "z": x, "value": x, "r": x, "d": x, "s": x}
            return eval(snippet, {**NAMES, **names})

        wanted, found = plainly(f, x), in_a_derivative(f, x)
        ran |= wanted[0] == found[0] == "result" and same(found[1], wanted[1])
        assert found[0] == "error" or wanted[0] == "result", f"{x!r}: {wanted[1]!r}"
    assert ran


def _of_the_wrong(f: Any) -> str:
    with pytest.raises(TypeError) as caught:
        wg.grad(f)(C)
    return str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))


C = np.array([0.3, 0.5, 0.7])
T = np.array([0.2, 0.9])


def _squared(t: Any) -> Any:
    return t * t


CONVERTING: list[tuple[Any, str, Any]] = [
    (
        lambda c: np.sum(np.vectorize(_squared)(c)),
        "np.stack([f(v) for v in x.flat]).reshape(x.shape)",
        lambda c: np.sum(np.stack([_squared(v) for v in c.flat]).reshape(c.shape)),
    ),
    (
        lambda c: np.vectorize(np.sum, signature="(n)->()")(c),
        "np.stack([f(row) for row in x])",
        lambda c: np.stack([np.sum(row) for row in c[None]])[0],
    ),
    (
        lambda c: np.sum(np.polynomial.polynomial.polyval(T, c)),
        "np.polyval(c[::-1], t)",
        lambda c: np.sum(np.polyval(c[::-1], T)),
    ),
    (
        lambda c: np.sum(np.polynomial.chebyshev.chebval(T, c)),
        "np.polynomial.chebyshev.chebvander(t, len(c) - 1) @ c",
        lambda c: np.sum(np.polynomial.chebyshev.chebvander(T, len(c) - 1) @ c),
    ),
    (
        lambda c: np.sum(np.polynomial.hermite_e.hermeval(T, c)),
        "np.polynomial.hermite_e.hermevander(t, len(c) - 1) @ c",
        lambda c: np.sum(np.polynomial.hermite_e.hermevander(T, len(c) - 1) @ c),
    ),
]
"""What converts its arguments to plain arrays, what is advised, and what is written then."""


@pytest.mark.parametrize(("wrong", "names", "right"), CONVERTING)
def test_a_function_that_converts_has_a_remedy_of_its_own(wrong: Any, names: str, right: Any):
    wg.stand_ins(False)
    try:
        assert names in _of_the_wrong(wrong)
        wg.check_grads(right, (C,))
    finally:
        wg.stand_ins(True)
    np.testing.assert_allclose(right(C), wrong(C), rtol=1e-13)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (wrong, right)
        for wrong, names, right in CONVERTING
        if ".flat" not in names or "stack" in names
    ],
)
def test_with_what_stands_in_it_has_derivatives(wrong: Any, right: Any) -> None:
    np.testing.assert_allclose(wg.grad(wrong)(C), wg.grad(right)(C), rtol=1e-13)
    np.testing.assert_allclose(wg.hessian(wrong)(C), wg.hessian(right)(C), rtol=1e-13)
    np.testing.assert_allclose(wg.vmap(wrong)(C[None])[0], right(C), rtol=1e-13)
