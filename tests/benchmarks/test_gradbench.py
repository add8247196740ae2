"""The GradBench tool: its protocol, and the answers to small inputs of each eval.

Values are compared with SciPy's or with those known by heart, derivatives with differences. The
functions run without the compiler, but for one call through the protocol: what is compiled is
compared with what is not elsewhere.
"""

import doctest
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse, special, stats
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from benchmarks.gradbench import __main__ as tool  # noqa: E402
from benchmarks.gradbench import ba, descent, ht, lstm, particle, saddle, task  # noqa: E402


@pytest.fixture(autouse=True)
def _without_compiler(monkeypatch):
    monkeypatch.setenv("WENGERT_JIT", "0")


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def ask(eval_name, function, given):
    """The output that the protocol would carry."""
    return json.loads(json.dumps(tool.functions(eval_name)[function](given)))


def differences(f, x):
    """The Jacobian of ``f`` at a flat ``x`` by central differences, outputs first."""
    x = np.array(x, dtype=float)
    columns = []
    for i in range(x.size):
        step = np.zeros_like(x)
        step[i] = 1e-6 * max(1.0, abs(x[i]))
        columns.append((np.ravel(f(x + step)) - np.ravel(f(x - step))) / (2 * step[i]))
    return np.stack(columns, axis=-1)


def close(found, wanted, rtol=1e-6):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * np.max(np.abs(wanted)))


# -- the protocol ----------------------------------------------------------------------------------


def converse(*messages):
    lines = [json.dumps({"id": i} | message) for i, message in enumerate(messages)]
    return [json.loads(line) for line in tool.serve(lines)]


def test_a_conversation(monkeypatch):
    monkeypatch.delenv("WENGERT_JIT")
    start, define, square, analysis, double = converse(
        {"kind": "start", "eval": "hello"},
        {"kind": "define", "module": "hello"},
        {"kind": "evaluate", "module": "hello", "function": "square", "input": 3.0},
        {"kind": "analysis", "of": 2, "valid": True},
        {"kind": "evaluate", "module": "hello", "function": "double", "input": 3.0},
    )
    assert start == {"id": 0, "tool": "wengert"}
    assert define == {"id": 1, "success": True}
    assert (square["success"], square["output"]) == (True, 9.0)
    assert analysis == {"id": 3}
    assert double["output"] == 6.0


def test_the_first_run_is_not_counted_and_the_others_are_as_many_as_asked_for():
    (response,) = converse(
        {
            "kind": "evaluate",
            "module": "lse",
            "function": "primal",
            "input": {"x": [0.0, 0.0], "min_runs": 5, "min_seconds": 0.0},
        }
    )
    names = [timing["name"] for timing in response["timings"]]
    assert names == ["prepare", *["evaluate"] * 5]
    assert all(timing["nanoseconds"] > 0 for timing in response["timings"])


def test_it_runs_for_as_long_as_asked_for():
    given = {"x": [0.0], "min_runs": 1, "min_seconds": 0.01}
    timings = task.measured(tool.functions("lse")["primal"], given)["timings"]
    spent = sum(t["nanoseconds"] for t in timings if t["name"] == "evaluate")
    assert spent >= 1e7
    assert len(timings) > 2


def test_what_it_cannot_do_it_says():
    unknown, function, wrong = converse(
        {"kind": "define", "module": "os"},
        {"kind": "evaluate", "module": "lse", "function": "hessian", "input": {"x": [1.0]}},
        {"kind": "evaluate", "module": "lse", "function": "primal", "input": {}},
    )
    assert not unknown["success"]
    assert "there is no eval 'os'" in unknown["error"]
    assert not function["success"]
    assert not wrong["success"]
    assert "KeyError" in wrong["error"]


def test_every_eval_is_defined():
    assert len(tool.EVALS) == 12
    for response in converse(*({"kind": "define", "module": name} for name in tool.EVALS)):
        assert response["success"]


@pytest.mark.parametrize("module", [tool, task])
def test_its_examples(module):
    assert doctest.testmod(module).failed == 0


# -- functions of one array ------------------------------------------------------------------------


def test_lse(rng):
    x = 5 * rng.normal(size=9)
    given = {"x": x.tolist()}
    close(ask("lse", "primal", given), special.logsumexp(x), 1e-14)
    close(ask("lse", "gradient", given), special.softmax(x), 1e-13)


def test_lse_of_great_numbers():
    assert ask("lse", "primal", {"x": [1000.0, 1000.0]}) == pytest.approx(1000 + np.log(2))


@pytest.mark.parametrize("n", [2, 7, 16])
def test_llsq(rng, n):
    x = rng.normal(size=5)
    t = np.linspace(-1, 1, n)
    powers = np.vander(t, 5, increasing=True)
    misfits = np.sign(t) - powers @ x
    given = {"x": x.tolist(), "n": n}
    close(ask("llsq", "primal", given), misfits @ misfits / 2, 1e-13)
    close(ask("llsq", "gradient", given), -powers.T @ misfits, 1e-13)


@pytest.mark.parametrize("ell", [1, 2, 3, 5])
def test_det(rng, ell):
    matrix = rng.normal(size=(ell, ell))
    given = {"A": matrix.ravel().tolist(), "ell": ell}
    value = np.linalg.det(matrix)
    close(ask("det", "primal", given), value, 1e-12)
    close(ask("det", "gradient", given), value * np.linalg.inv(matrix).T.ravel(), 1e-11)


def test_ode_is_exact_as_long_as_the_solution_is_of_the_fourth_degree(rng):
    x = rng.uniform(0.5, 1.5, 4)
    given = {"x": x.tolist(), "s": 3}
    solution = np.cumprod(x * 2.0 / np.arange(1, 5))
    close(ask("ode", "primal", given), solution, 1e-14)
    close(ask("ode", "gradient", given), solution[-1] / x, 1e-14)


def test_the_gradient_of_ode_where_it_is_not_exact(rng):
    x = rng.uniform(1.0, 3.0, 7)
    wanted = differences(lambda x: ask("ode", "primal", {"x": x, "s": 2})[-1], x)
    assert np.all(np.abs(wanted) > 1e-3)
    close(ask("ode", "gradient", {"x": x.tolist(), "s": 2}), wanted[0])


def test_the_step_of_kmeans_goes_to_the_mean_of_each_cluster(rng):
    points, centroids = rng.normal(size=(40, 3)), rng.normal(size=(4, 3))
    distances = cdist(points, centroids) ** 2
    nearest = np.argmin(distances, axis=1)
    assert set(nearest) == {0, 1, 2, 3}
    given = {"points": points.tolist(), "centroids": centroids.tolist()}
    close(ask("kmeans", "cost", given), np.sum(np.min(distances, axis=1)), 1e-13)
    means = np.array([points[nearest == j].mean(axis=0) for j in range(4)])
    close(centroids - ask("kmeans", "dir", given), means, 1e-12)


# -- gmm -------------------------------------------------------------------------------------------


def mixture(rng, d, k, n, m, gamma):
    return {
        "d": d,
        "k": k,
        "n": n,
        "m": m,
        "gamma": gamma,
        "x": rng.normal(size=(n, d)).tolist(),
        "alpha": rng.normal(size=k).tolist(),
        "mu": rng.normal(size=(k, d)).tolist(),
        "q": (0.3 * rng.normal(size=(k, d))).tolist(),
        "l": rng.normal(size=(k, d * (d - 1) // 2)).tolist(),
    }


def log_posterior(given):
    """By SciPy's densities, a component at a time."""
    d, total, densities = given["d"], 0.0, 0.0
    weights = special.softmax(given["alpha"])
    for weight, mu, q, lower in zip(weights, given["mu"], given["q"], given["l"], strict=True):
        factor = np.diag(np.exp(q))
        rest = iter(lower)
        for column in range(d):
            for row in range(column + 1, d):
                factor[row, column] = next(rest)
        precision = factor.T @ factor
        gaussian = stats.multivariate_normal(mu, np.linalg.inv(precision))
        densities = densities + weight * gaussian.pdf(given["x"])
        scale = np.eye(d) / given["gamma"] ** 2
        total += stats.wishart.logpdf(precision, d + given["m"] + 1, scale)
    return total + np.sum(np.log(densities))


@pytest.mark.parametrize("size", [(3, 2, 6, 0, 1.0), (4, 3, 5, 2, 0.7), (1, 2, 4, 1, 1.3)])
def test_gmm(rng, size):
    given = mixture(rng, *size)
    close(ask("gmm", "objective", given), log_posterior(given), 1e-11)
    found = ask("gmm", "jacobian", given)
    assert set(found) == {"alpha", "mu", "q", "l"}
    for name, gradient in found.items():
        shape = np.shape(given[name])
        if 0 in shape:
            continue
        wanted = differences(
            lambda v, n=name, s=shape: ask("gmm", "objective", given | {n: v.reshape(s).tolist()}),
            np.ravel(given[name]),
        )
        close(gradient, wanted.reshape(shape), 1e-7)


# -- ba --------------------------------------------------------------------------------------------


@pytest.fixture
def scene(rng):
    """Two cameras, one of which is not rotated, three points, and five observations of them."""
    cameras = 0.3 * rng.normal(size=(2, 11))
    cameras[:, 6] += 5.0
    cameras[1, :3] = 0.0
    points = rng.normal(size=(3, 3)) + np.array([0.0, 0.0, 6.0])
    which = np.array([[0, 0], [0, 1], [1, 1], [1, 2], [0, 2]], dtype=np.int32)
    return cameras, points, rng.uniform(0.5, 2.0, 5), rng.normal(size=(5, 2)), which


def test_a_camera_that_is_not_rotated_projects_straight_on():
    camera = np.array([0.0, 0, 0, 1, 0, 0, 2, 10, 20, 0, 0])
    found = ba.projection_error(camera, np.array([4.0, 6, 3]), 0.5, np.array([1.0, 2]))
    close(found, [0.5 * (2 * 1 + 10 - 1), 0.5 * (2 * 2 + 20 - 2)], 1e-15)


def test_a_rotation_about_an_axis_by_its_length(rng):
    r, v = rng.normal(size=(2, 3))
    close(ba.rotated(v, r), Rotation.from_rotvec(r).apply(v), 1e-14)


def test_the_sparse_jacobian_of_ba(scene):
    cameras, points, weights, seen, which = scene
    rows, columns, values = ba.jacobian(cameras, points, weights, seen, which)
    assert rows.dtype == columns.dtype == np.int32
    found = sparse.csr_matrix((values, columns, rows), shape=(15, 22 + 9 + 5)).toarray()

    def flat(x):
        parts = np.split(x, [22, 31])
        projections, of_weights = ba.errors(
            parts[0].reshape(2, 11), parts[1].reshape(3, 3), parts[2], seen, which
        )
        return np.concatenate([projections.ravel(), of_weights])

    x = np.concatenate([cameras.ravel(), points.ravel(), weights])
    wanted = differences(flat, x)
    close(found, wanted)


def test_ba_repeats_what_it_is_given(scene):
    cameras, points, weights, seen, _ = scene
    given = {"n": 2, "m": 3, "p": 12, "cam": cameras[0].tolist(), "x": points[0].tolist()}
    given |= {"w": weights[0], "feat": seen[0].tolist()}
    found = ask("ba", "objective", given)
    assert found["reproj_error"]["repeated"] == found["w_err"]["repeated"] == 12
    assert found["w_err"]["element"] == pytest.approx(1 - weights[0] ** 2)
    found = ask("ba", "jacobian", given)
    assert [len(found[name]) for name in ("rows", "cols", "vals")] == [31, 31, 31]
    assert (found["rows"][-1], found["cols"][-1]) == (12 * 31, 22 + 9 + 12 - 1)
    assert found["vals"][-1] == pytest.approx(-2 * weights[0])


# -- ht --------------------------------------------------------------------------------------------


def hand(rng, complicated):
    """A hand of 22 bones in five fingers, with a dozen vertices."""
    parents = [-1, 0, *(p for f in range(5) for p in (1, 2 + 4 * f, 3 + 4 * f, 4 + 4 * f))]
    relatives = np.tile(np.eye(4), (22, 1, 1))
    relatives[:, :3, 3] = rng.normal(size=(22, 3))
    absolutes = []
    for bone, parent in enumerate(parents):
        own = relatives[bone]
        absolutes.append(own if parent < 0 else absolutes[parent] @ own)
    base = np.concatenate([rng.normal(size=(12, 3)), np.ones((12, 1))], axis=1)
    weights = rng.uniform(size=(12, 22))
    model = {
        "parents": parents,
        "base_relatives": relatives.tolist(),
        "inverse_base_absolutes": np.linalg.inv(absolutes).tolist(),
        "base_positions": base.tolist(),
        "weights": (weights / weights.sum(axis=1, keepdims=True)).tolist(),
        "triangles": rng.integers(0, 12, size=(6, 3)).tolist(),
        "is_mirrored": False,
    }
    data = {
        "model": model,
        "correspondences": rng.integers(0, 6, size=4).tolist(),
        "points": rng.normal(size=(4, 3)).tolist(),
    }
    us = rng.uniform(0.1, 0.4, size=(4, 2)).tolist() if complicated else []
    return {"theta": (0.5 * rng.normal(size=26)).tolist(), "data": data, "us": us}


def test_a_hand_at_rest_is_where_it_was(rng):
    given = hand(rng, complicated=False) | {"theta": [0.0] * 26}
    data = given["data"]
    vertices = np.array(data["model"]["base_positions"])[data["correspondences"], :3]
    close(ask("ht", "objective", given), (np.array(data["points"]) - vertices).ravel(), 1e-13)


def test_a_mirrored_hand_is_mirrored(rng):
    theta, us, data, parents, _ = ht._read(hand(rng, complicated=False) | {"theta": [0.0] * 26})
    plain = ht.skin(theta, data, parents, mirrored=False)
    close(ht.skin(theta, data, parents, mirrored=True), plain * [[-1], [1], [1]], 1e-15)
    assert us.size == 0


def test_the_jacobian_of_the_simple_hand(rng):
    given = hand(rng, complicated=False)
    wanted = differences(
        lambda theta: ask("ht", "objective", given | {"theta": theta}), given["theta"]
    )
    close(ask("ht", "jacobian", given), wanted)


def test_the_jacobian_of_the_complicated_hand_begins_with_that_of_each_points_own_place(rng):
    given = hand(rng, complicated=True)
    by_theta = differences(
        lambda theta: ask("ht", "objective", given | {"theta": theta}), given["theta"]
    )
    by_us = differences(
        lambda us: ask("ht", "objective", given | {"us": us.reshape(4, 2).tolist()}),
        np.ravel(given["us"]),
    ).reshape(4, 3, 4, 2)
    own = np.stack([by_us[i, :, i, :] for i in range(4)]).reshape(12, 2)
    assert np.all(by_us[0, :, 1:] == 0)
    close(ask("ht", "jacobian", given), np.concatenate([own, by_theta], axis=1))


# -- lstm ------------------------------------------------------------------------------------------


def network(rng, layers, bits, characters):
    return {
        "main_params": rng.normal(size=(2 * layers, 4 * bits)).tolist(),
        "extra_params": rng.normal(size=(3, bits)).tolist(),
        "state": rng.normal(size=(2 * layers, bits)).tolist(),
        "sequence": rng.integers(0, 2, size=(characters, bits)).astype(float).tolist(),
    }


def test_a_network_of_zeros_predicts_nothing(rng):
    given = network(rng, 2, 3, 6)
    given |= {"main_params": np.zeros((4, 12)).tolist(), "extra_params": np.zeros((3, 3)).tolist()}
    share = np.mean(np.array(given["sequence"])[1:])
    assert ask("lstm", "objective", given) == pytest.approx(share * np.log(2 + 3))


def test_one_layer_reads_one_character(rng):
    (wf, wi, wo, wc), (bf, bi, bo, bc) = rng.normal(size=(2, 4, 1))
    hidden, cell, x = rng.normal(size=(3, 1))
    kept = cell * special.expit(x * wf + bf)
    kept += special.expit(hidden * wi + bi) * np.tanh(hidden * wc + bc)
    weights, biases = np.stack([wf, wi, wo, wc]), np.stack([bf, bi, bo, bc])
    shown, found = lstm.layer(weights, biases, hidden, cell, x)
    close(found, kept, 1e-14)
    close(shown, special.expit(x * wo + bo) * np.tanh(kept), 1e-14)


def test_the_gradient_of_lstm(rng):
    given = network(rng, 2, 2, 4)
    by_main = differences(
        lambda v: ask("lstm", "objective", given | {"main_params": v.reshape(4, 8).tolist()}),
        np.ravel(given["main_params"]),
    )
    by_extra = differences(
        lambda v: ask("lstm", "objective", given | {"extra_params": v.reshape(3, 2).tolist()}),
        np.ravel(given["extra_params"]),
    )
    close(ask("lstm", "jacobian", given), np.concatenate([by_main[0], by_extra[0]]))


# -- descent, particle, saddle ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["f", "r"])
def test_descent_finds_the_least_value_of_a_quadratic(mode):
    found = descent.least(lambda x, y: (x - 1) ** 2 + 3 * (y + 2) ** 2, (3.0, 1.0), mode)
    close(found, [1.0, -2.0], 1e-4)


@pytest.mark.parametrize("mode", ["f", "r"])
@pytest.mark.parametrize("outer", ["f", "r"])
def test_the_derivative_of_the_path_of_a_particle(outer, mode):
    (found,) = descent.gradient(lambda w: particle.miss(w, mode), outer)(0.1)
    wanted = differences(lambda w: particle.miss(w[0], mode), [0.1])
    close([[found]], wanted)


def test_the_particle_meets_the_origin_at_the_height_that_the_suite_knows():
    assert particle.miss(0.2071918746486116, "r") < 1e-8
    assert particle.miss(0.0, "f") == pytest.approx(particle.miss(0.0, "r"), rel=1e-12)


@pytest.mark.parametrize("modes", ["fr", "rf"])
def test_saddle(modes):
    found = ask("saddle", modes, {"start": [1.0, 1.0]})
    close(found, [8.246324826140356e-06] * 4, 1e-9)


def test_the_function_of_saddle():
    assert saddle.f(1.0, 2.0, 3.0, 4.0) == -20.0
