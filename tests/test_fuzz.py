"""A sample of the random programs that ``tests/fuzz.py`` checks by the thousand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import fuzz
import sources

PROGRAMS = 30
"""How many programs are in one test."""


@pytest.mark.parametrize("first", range(0, 300, PROGRAMS))
def test_every_route_agrees_with_numpy_on_random_programs(first: int) -> None:
    refusals: Counter[str] = Counter()
    for seed in range(first, first + PROGRAMS):
        found = next(fuzz.failures(sources.write(seed), fuzz.ROUTES, refusals), None)
        assert found is None, str(fuzz.smaller(found))
    assert sum(refusals.values()) < len(fuzz.ROUTES) * PROGRAMS / 2


def test_compiled_random_programs_agree_with_numpy() -> None:
    for seed in range(12):
        found = next(fuzz.failures(sources.write(seed), fuzz.NATIVE, Counter()), None)
        assert found is None, str(fuzz.smaller(found))


def test_a_seed_gives_the_same_program_again() -> None:
    assert sources.write(7) == sources.write(7)
    assert sources.write(7) != sources.write(8)


def programs() -> Iterator[sources.Source]:
    yield from map(sources.write, range(300))


def test_the_programs_have_what_is_to_be_tried() -> None:
    texts = [f"{source.arguments} {source.body()}" for source in programs()]
    for part in (
        *("[::-1]", ".T", "asfortranarray", "[...]", "broadcast_to", "float32", "complex"),
        *("dtype=object", "cube(", "blend(", "erf(", "+=", ".flat", "np.copyto", "np.array(["),
    ):
        assert any(part in text for text in texts), part
    sizes = [np.size(x) for source in programs() for x in sources.arguments(source)]
    assert min(sizes) == 0
    assert len({type(x) for source in programs() for x in sources.arguments(source)}) >= 3


def test_a_fault_is_found_and_cut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if sin had another derivative in the traced program than the plain one has.
    wrong = sources.Source(
        3,
        ("np.array([0.5, -1.25, 2.0])",),
        (
            sources.Statement("v0 = x * 2.0", False, ("v0", "x")),
            sources.Statement("v1 = faulty(v0)", True, ("v1", "v0")),
            sources.Statement("v2 = x + 1", False, ("v2", "x")),
        ),
        ("x", "v0", "v1", "v2"),
        exact=False,
    )
    body = (
        "@wg.custom_jvp\ndef faulty(x):\n    return np.sin(x)\n"
        "faulty.defjvp(lambda primals, tangents: (np.sin(*primals), *tangents))\n"
    )
    space = dict(sources._ENVIRONMENT)
    exec(body, space)
    monkeypatch.setitem(sources._ENVIRONMENT, "faulty", space["faulty"])
    found = list(fuzz.failures(wrong, fuzz.ROUTES, Counter()))
    assert [failure.route for failure in found] == ["differences"]
    small = fuzz.smaller(found[0])
    assert len(small.source.statements) == 2
    assert small.source.results == ("v1",)
    assert "v1 = faulty(v0)" in str(small)
    right = replace(wrong, statements=wrong.statements[:1], results=("x", "v0"))
    assert not list(fuzz.failures(right, fuzz.ROUTES, Counter()))
