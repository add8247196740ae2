"""The tree of paths: which path is tried after a guard did not hold, and which paths are kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.jit import paths as module
from wengert.jit.paths import Path, Paths, value_token

BOOL = np.dtype(bool)
INT = np.dtype(np.int64)


def path(values: list[Any], length: int = 1) -> Path:
    """A path that met these values, of so many equations."""
    guards = [
        (dtype, value_token(v, dtype))
        for v in values
        for dtype in [BOOL if isinstance(v, bool) else INT]
    ]
    executable: Any = SimpleNamespace(recorded=SimpleNamespace(equations=[None] * length))
    return Path(executable, guards, (), None, (), cuts=False)


def met(seed: int) -> list[Any]:
    """The values that a function meets: how many, and of what kind, depends on those before."""
    rng = np.random.default_rng(seed)
    values: list[Any] = []
    state = 0
    while len(values) < 40 and state % 7 != 6:
        value: Any = bool(rng.random() < 0.9) if state % 3 else int(rng.integers(3))
        values.append(value)
        state = (state * 5 + int(value) + len(values)) % 29
    return values


def suits(kept: Path, failed: Path, index: int, token: bytes) -> bool:
    """Whether a path goes on as ``failed`` until a guard, and there with this value."""
    return kept.guards[:index] == failed.guards[:index] and kept.guards[index][1] == token


@pytest.mark.parametrize("seed", range(20))
def test_the_next_path_agrees_with_all_that_is_known(seed: int) -> None:
    tree = Paths()
    for k in range(80):
        tree.add(path(met(100 * seed + k)))
    tried = found = 0
    for failed in tree.paths:
        for index, (dtype, token) in enumerate(failed.guards):
            for value in (False, True) if dtype is BOOL else (0, 1, 2):
                if value_token(value, dtype) == token:
                    continue
                expected = [
                    p for p in tree.paths if suits(p, failed, index, value_token(value, dtype))
                ]
                instead = tree.instead(failed, index, value)
                assert (instead in expected) if expected else instead is None
                tried, found = tried + 1, found + bool(expected)
    assert tried > 100
    assert found > 50


def test_a_path_that_was_dropped_leads_nowhere_and_nothing_leads_to_it() -> None:
    tree = Paths()
    dropped = tree.add(path([True] * 100))
    for k in range(module.MOST):
        tree.add(path([True] * k + [False]))
    assert dropped not in tree.paths
    assert tree.instead(dropped, 7, False) is None
    assert dropped not in [
        other for p in tree.paths for way in p.partings.values() for other in way.values()
    ]


def test_the_path_that_was_not_used_for_longest_is_dropped() -> None:
    tree = Paths()
    kept = [tree.add(path([k])) for k in range(module.MOST)]
    tree.touch(kept[0])
    tree.add(path([-1]))
    assert kept[0] in tree.paths
    assert kept[1] not in tree.paths
    assert len(tree.paths) == module.MOST


def test_long_paths_are_fewer() -> None:
    tree = Paths()
    for k in range(30):
        tree.add(path([k], module.KEPT // 10))
    assert len(tree.paths) == 10
    for k in range(30):
        tree.add(path([k], 2 * module.KEPT))
    assert len(tree.paths) == module.FEW


def test_the_same_guards_are_kept_once() -> None:
    tree = Paths()
    tree.add(path([True, 3]))
    again = tree.add(path([True, 3]))
    assert tree.paths == [again]


def test_long_paths_that_nothing_uses_again_are_given_up_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONG", 10_000)

    def f(x: Any) -> Any:
        s = x[0]
        for _ in range(200):
            s = s * 0.99 + (0.3 if s < x[1] else -0.2)
        return s

    jitted = wg.jit(f)

    def calls() -> None:
        for x in np.random.default_rng(0).normal(size=(40, 2)):
            assert jitted(x) == f(x)

    with pytest.warns(wg.errors.JitWarning, match="new path"):
        calls()
    assert not jitted.paths()
    assert jitted._traces < 20
