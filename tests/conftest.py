"""What every test file has in common."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

# Figures are drawn into files, also where there is a display.
os.environ["MPLBACKEND"] = "Agg"

# What fails here is found by the frames that others are not shown.
os.environ.setdefault("WENGERT_TRACEBACK", "full")

# Settings of the user's own are not what is tested. WENGERT_TARGET stays: `make test-portable`
# sets it.
for name in ("JIT", "JIT_WAIT", "CACHE", "NUM_THREADS"):
    os.environ.pop(f"WENGERT_{name}", None)

# A run of the tests is the same every time, however fast the machine is: nothing has a deadline.
# `make test` tries fewer examples, `make fuzz` looks for new ones.
steady = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("steady", steady)
settings.register_profile("quick", steady, max_examples=25)
settings.register_profile("fuzz", steady, derandomize=False, max_examples=2000, print_blob=True)
settings.load_profile("steady")

FOLDER = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Compiled code is shared by the processes of a run, and not with anything else."""
    if not hasattr(config, "workerinput"):
        config.stash[FOLDER] = tempfile.mkdtemp(prefix="wengert-tests-")
        os.environ["WENGERT_CACHE_DIR"] = config.stash[FOLDER]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the code."""
    if FOLDER in config.stash:
        shutil.rmtree(config.stash[FOLDER], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What `make test` leaves out says why; what needs stand-ins is left out where they are off."""
    off = os.environ.get("WENGERT_STAND_INS") == "0"
    for item in items:
        about = item.path.parent.name == "stand_ins" and item.path.stem != "test_absent"
        if off and (about or item.get_closest_marker("stand_ins")):
            item.add_marker(pytest.mark.skip(reason="needs stand-ins, which are off"))
        for mark in item.iter_markers("slow"):
            if not mark.kwargs.get("reason"):
                raise pytest.UsageError(f"{item.nodeid} is slow without a reason")
