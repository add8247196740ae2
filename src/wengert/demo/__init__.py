"""``wengert demo``: a minute on real data, which shows what derivatives by program are good for.

``digits`` is the data and the network, ``training`` the four ways to train it, ``landscape`` and
``stepsize`` two small computations to look at, ``plots`` the pictures, ``report`` the text.
"""

from __future__ import annotations

from pathlib import Path

from .extras import extra

__all__ = ["main"]


def main(out: Path = Path("demo-output"), fast: bool = False) -> int:
    """Train on handwritten digits in four ways, print a table, and save four pictures in ``out``.

    Takes about half a minute, or with ``fast`` a few seconds. Returns the exit status, 0. Raises
    ``WengertError`` if scikit-learn or matplotlib are not installed.
    """
    extra("sklearn.datasets")
    extra("matplotlib.figure")
    from . import digits, plots, report, training

    seconds = 0.3 if fast else 7.0
    hidden = 8 if fast else 64
    data = digits.load()
    console = report.console()
    out.mkdir(parents=True, exist_ok=True)

    count = sum(array.size for array in digits.initial(hidden).values())
    report.opening(console, len(data.train_labels) + len(data.test_labels), count, seconds)
    with report.following(console, seconds) as follow:
        runs = [
            training.train(way, data, seconds, hidden=hidden, progress=follow)
            for way in training.WAYS
        ]
    report.results(console, runs, training.evaluation(data, hidden))

    pictures = (
        (out / "loss-curves.png", "the four ways, against the clock"),
        (out / "loss-landscape.png", "two ways down a loss landscape"),
        (out / "step-size.png", "finite differences against step size"),
        (out / "computation-graph.png", "a function, and the sweep back through it"),
    )
    plots.draw_loss_curves(runs, pictures[0][0])
    plots.draw_landscape(pictures[1][0])
    plots.draw_step_sizes(pictures[2][0])
    plots.draw_graph(pictures[3][0])
    report.next_steps(console, pictures, Path(digits.__file__))
    return 0
