"""The demo: what it prints, what it saves, and what it says when a package is missing."""

from __future__ import annotations

import io
import re
import shlex
import sys

import numpy as np
import pytest
from rich.console import Console

from wengert import cli, demo
from wengert.demo import report
from wengert.demo.digits import load
from wengert.demo.landscape import STARTS, descend, network_loss, surface
from wengert.demo.stepsize import step_sizes
from wengert.demo.training import WAYS, train
from wengert.errors import WengertError

PICTURES = ("loss-curves.png", "loss-landscape.png", "step-size.png", "computation-graph.png")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The text of a fast run into a pipe that knows ASCII only, and the folder of its pictures."""
    out = tmp_path_factory.mktemp("demo") / "made" / "on the way"
    text = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", text)
        status = demo.main(out, fast=True)
    text.seek(0)
    return status, text.read(), out


def test_it_saves_four_pictures(ran):
    status, _, out = ran
    assert status == 0
    for name in PICTURES:
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert len(list(out.iterdir())) == len(PICTURES)


def test_it_prints_a_row_for_each_way_of_training(ran):
    _, text, _ = ran
    table = text[text.index("test") :]
    for way in WAYS:
        row = next(line for line in table.splitlines() if way.name in line)
        assert row.rstrip(" |").endswith("%")
    assert "1 sweep" in table
    assert "1,220 evaluations" in table
    assert "610 tangents" in table


def test_the_reverse_mode_network_reads_95_percent_even_in_a_fast_run(ran):
    shown = re.search(r"reverse mode.* ([0-9.]+) %", ran[1])
    assert shown
    assert float(shown[1]) >= 95


def test_a_pipe_gets_plain_lines_of_at_most_80_columns(ran):
    _, text, out = ran
    assert "\x1b" not in text
    assert "\r" not in text
    lines = text.replace(str(out), "demo-output").partition("Try next")[0].splitlines()
    assert max(map(len, lines)) <= 80


def test_a_narrow_terminal_that_knows_ascii_only_is_no_problem():
    text = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    out = Console(file=text, width=30, force_terminal=True)
    runs = [train(way, load(), 0.0, hidden=1) for way in WAYS]
    with report.following(out, 1.0) as follow:
        for run in runs:
            follow(run, 1.0)
    report.results(out, runs, 1e-3)
    out.file.flush()


@pytest.mark.parametrize("arguments", report.TRY)
def test_what_it_says_to_try_next_works(arguments, capsys, ran):
    assert f" {arguments}\n" in ran[1]
    assert cli.main(shlex.split(arguments)) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "package"),
    [("sklearn.datasets", "scikit-learn"), ("matplotlib.figure", "matplotlib")],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    module, package, monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WengertError, match=package) as caught:
        demo.main(tmp_path, fast=True)
    assert 'pip install "wengert[demo]"' in str(caught.value)


def test_a_fault_inside_of_an_installed_package_is_not_taken_for_its_absence(monkeypatch, tmp_path):
    (tmp_path / "faulty.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        demo.extra("faulty")


# -- the computations behind the pictures ----------------------------------------------------------


def test_one_descent_reaches_the_valley_and_the_other_kills_the_relu():
    valley, dead = map(descend, STARTS)
    assert valley[-1, 2] < 1e-3
    np.testing.assert_allclose(0.8 * valley[-1, 0] * valley[-1, 1] + 0.768, 1.9, atol=0.03)
    assert dead[-1, 0] < 0
    np.testing.assert_allclose(dead[-1, 2], (0.768 - 1.9) ** 2)
    np.testing.assert_array_equal(dead[-1], dead[-2])


def test_a_step_of_descent_goes_along_the_slope_that_finite_differences_find():
    path, h, rate = descend((3.0, -2.2), steps=1, rate=0.01), 1e-6, 0.01
    w, v = path[0, :2]
    slope_w = (network_loss(w + h, v) - network_loss(w - h, v)) / (2 * h)
    slope_v = (network_loss(w, v + h) - network_loss(w, v - h)) / (2 * h)
    np.testing.assert_allclose(path[1, :2], [w - rate * slope_w, v - rate * slope_v], rtol=1e-7)


def test_the_surface_covers_the_ranges_of_both_weights():
    w, v, loss = surface(5)
    assert (w.min(), w.max(), v.min(), v.max()) == (0, 3.5, -3.5, 3.5)
    np.testing.assert_allclose(loss[-1, -1], (3.5 * 3.5 * 0.8 + 0.768 - 1.9) ** 2)


def test_the_derivative_by_program_is_exact_and_no_difference_is():
    found = step_sizes()
    assert found.automatic == 0
    assert found.h[0] == 1e-16
    assert found.h[-1] == 1
    best_forward, best_central = found.h[found.forward.argmin()], found.h[found.central.argmin()]
    assert 1e-9 < best_forward < 1e-7 < best_central < 1e-4
    np.testing.assert_allclose(found.forward[-1], 4)
    np.testing.assert_allclose(found.central[-1], 1)
