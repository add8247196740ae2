"""The parts of the benchmarks: cases, clock, tables, pictures. No peer has to be installed."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from benchmarks import cases, compiled, growing, harness, latency, peers, pictures, report  # noqa: E402

TITLES = {name: peer.title for name, peer in peers.PEERS.items()}


def differences(f, x):
    steps = 1e-6 * np.eye(x.size)
    return np.array([(f(x + h) - f(x - h)) / 2e-6 for h in steps])


# -- cases and peers -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", growing.GROWING[:-1], ids=lambda case: case.name)
def test_the_gradients_of_growing_size_are_right(case):
    f, (first, *rest) = case.write(np), case.arguments()
    found = peers.flat(peers.Wengert().call(case)())
    direction = peers.mapped(lambda a: np.cos(np.arange(np.size(a))).reshape(np.shape(a)), first)

    def along(h):
        shifted = [a + h * d for a, d in zip(*map(peers.leaves, (first, direction)), strict=True)]
        return f(shifted if isinstance(first, list) else shifted[0], *rest)

    wanted = (along(1e-6) - along(-1e-6)) / 2e-6
    np.testing.assert_allclose(found @ peers.flat(direction), wanted, rtol=1e-5, atol=1e-7)


def test_a_straight_program_has_as_many_operations_as_it_says():
    program = peers.Wengert().wg.trace(growing.straight(300)(np))(np.zeros(20))
    assert len(program.equations) == pytest.approx(300, abs=60)


@pytest.mark.parametrize("case", cases.SMALL, ids=lambda case: case.name)
def test_jitted_and_not_the_small_gradients_agree(case):
    found, wanted = peers.WengertJit().call(case)(), peers.Wengert().call(case)()
    np.testing.assert_allclose(peers.flat(found), peers.flat(wanted), rtol=1e-12, atol=1e-14)


def test_the_gradient_of_the_elementwise_function():
    (case, *_) = cases.ELEMENTWISE["gradient"]
    x, y, z = case.arguments()
    wanted = np.concatenate([np.exp(x) * np.sin(y), np.exp(x) * np.cos(y), 1 / (1 + z)])
    np.testing.assert_allclose(peers.flat(peers.Wengert().gradient(case)()), wanted, rtol=1e-12)


def test_every_case_has_a_name_of_its_own():
    everything = [*cases.TIMES, *cases.ARRAYS, *cases.SMALL]
    everything += [case for group in cases.LARGE.values() for case in group]
    for case in everything:
        assert cases.CASES[case.name].write is case.write


def test_trees_are_flattened_in_the_order_of_names():
    tree = {"b": [np.ones(2), np.zeros(1)], "a": (np.full(1, 5.0),)}
    np.testing.assert_array_equal(peers.flat(tree), [5, 1, 1, 0])
    doubled = peers.mapped(lambda a: 2 * a, tree)
    np.testing.assert_array_equal(peers.flat(doubled), [10, 2, 2, 0])


def test_only_float64_is_compared():
    with pytest.raises(TypeError, match="float32"):
        peers.flat([np.zeros(2), np.zeros(2, np.float32)])


# -- the clock -------------------------------------------------------------------------------------


class Clock:
    """In place of the module ``time``: what is called says how long it takes."""

    def __init__(self):
        self.now = 0.0
        self.calls = 0

    def perf_counter(self):
        return self.now

    def taking(self, seconds):
        def run():
            self.now += seconds
            self.calls += 1

        return run


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(harness, "time", made)
    return made


def test_a_call_is_timed_alone_or_in_groups(clock):
    assert harness._median_time(clock.taking(0.002), 0.01) == pytest.approx(0.002)
    assert harness._median_time(clock.taking(1e-7), 0.01) == pytest.approx(1e-7)


def test_something_slow_is_timed_at_least_once(clock):
    harness._median_time(clock.taking(0.01), 0.0)
    assert clock.calls == 2


def first(*seconds, failure=None):
    return latency.First(list(seconds), failure=failure)


def test_first_calls_are_compared_in_turns():
    assert first(1.0, 2.0, 9.0).over(first(2.0, 4.0, 3.0)) == 0.5
    assert first(1.0, 2.0, 9.0).text() == "2 s"
    assert first(3.0).text(first(1.5)) == "3 s (0.5)"


def test_a_first_call_that_fails_has_no_time():
    failed = first(1.0, failure="over 60 s")
    assert failed.median() is failed.over(first(1.0)) is first(1.0).over(failed) is None
    assert failed.text(first(1.0)) == "over 60 s"


def test_a_process_that_fails_or_takes_too_long_is_not_asked_again(monkeypatch):
    failed = latency.First()
    failed.measure("wengert", "call", "no such case", {"PYTHONWARNINGS": "ignore"})
    assert failed.failure == "failed"
    monkeypatch.setattr(latency, "LIMIT", 0.01)
    slow = latency.First()
    slow.measure("wengert", "call", "polynomial", {})
    assert slow.failure == "over 0 s"
    monkeypatch.setattr(latency.subprocess, "run", None)
    slow.measure("wengert", "call", "polynomial", {})


# -- what is shown ---------------------------------------------------------------------------------


def test_the_bandwidth_counts_what_is_read_and_written():
    row = {"case": "elementwise-1e6", "seconds": {"wengert-jit": 1e-2}, "over": {"copy": 0.1}}
    compiled._add_bandwidth(row)
    assert row["numbers"] == 1_000_000
    assert row["bandwidth"] == pytest.approx(6 * 8e6 / 1e-2 / 1e9)
    assert row["part"] == pytest.approx(0.1 * 6 / 2)


def test_ratios_and_durations():
    assert [report.ratio(x) for x in (0.123, 12.3, 123.4)] == ["0.12", "12", "123"]
    assert [report.duration(x) for x in (2.5, 1.2e-3, 3e-6, 4e-8)] == [
        "2.5 s",
        "1.2 ms",
        "3 µs",
        "40 ns",
    ]


def test_publishing_replaces_what_is_between_the_marks(tmp_path):
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- table: a -->\nold\n<!-- end -->\nafter\n")
    report.publish(
        document, [report.Table("a", "", ["", "x"], [["r", "1"]]), report.Table("b", "", [])]
    )
    assert document.read_text() == (
        "before\n<!-- table: a -->\n|  | x |\n| --- | ---: |\n| r | 1 |\n<!-- end -->\nafter\n"
    )


def test_every_table_has_its_place_in_the_document():
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for name in ("times", "arrays", "memory", "scaling", "small", "elementwise", "latency"):
        assert f"<!-- table: {name} -->" in text


def test_pictures_of_compiled_code_are_drawn(tmp_path):
    row = {"title": "a", "over": {"jax-jit": 8.0, "empty": 0.1}}
    some = {"case": "terms-1e3", "numbers": 1000, "seconds": {"wengert-jit": 1e-6, "copy": 1e-7}}
    none = {"case": "elementwise-1e3", "numbers": 1000, "seconds": {"wengert-jit": 1e-6}}
    started = {"title": "a", "seconds": {"wengert-jit": 0.1, "jax-jit": None}, "stored": 0.01}
    results = {
        "titles": TITLES,
        "small": [row],
        "elementwise": [some, none],
        "latency": [started],
        "footprint": [{"title": "a", "later": {"wengert-jit": 1e7, "jax-jit": 2e7}}],
    }
    made = pictures.draw(results, tmp_path)
    names = ["small", "elementwise", "latency", "footprint"]
    assert [path.name for path in made] == [f"bench-{name}.png" for name in names]
    assert all(path.stat().st_size > 5000 for path in made)
