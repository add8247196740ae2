"""The numerical tests as they would run on other processors: ``make test-portable``.

What differs from processor to processor, and decides the last bits of results, is varied one thing
at a time, as far as this processor has it:

- the kernel of OpenBLAS, by ``OPENBLAS_CORETYPE``;
- the instructions that NumPy's own loops use, by ``NPY_DISABLE_CPU_FEATURES``;
- the target of compiled code, by ``WENGERT_TARGET``.

The first two are read when NumPy is imported, so each variation is a run of pytest of its own.
That a variation took effect is looked at in a process of its own first; what this processor or
NumPy does not have is skipped by name. A kernel that the processor lacks is never tried: it would
end in an illegal instruction.

With ``--short`` the tests are those of ``SHORT``, and only the lowest of each kind that there is
to be had is tried, as CI does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

TESTS = [
    *("tests/functions", "tests/primitives", "tests/transforms", "tests/optimize", "tests/control"),
    *("tests/test_derivatives.py", "tests/test_numerical.py", "tests/test_registry.py"),
    *("tests/test_random_programs.py", "tests/test_worked_examples.py", "tests/test_readme.py"),
    *("tests/compile", "tests/jit/test_control_flow.py", "tests/jit/test_programs.py"),
    *("tests/jit/test_numbers.py",),
]
"""Numerics, compiled code and optimisers."""

LEFT_OUT = [
    *("test_artefact.py", "test_canonical.py", "test_entry.py", "test_export.py"),
    *("test_machine.py", "test_native.py", "test_pieces.py", "test_store.py", "test_threads.py"),
]
"""Tests in tests/compile of how code is kept, called and shared, which processors do alike."""

SHORT = [
    *("tests/optimize", "tests/functions", "tests/test_derivatives.py", "tests/test_readme.py"),
    *("tests/compile/test_agreement.py", "tests/compile/test_lapack.py"),
    *("tests/compile/test_strips.py", "tests/compile/test_sums.py"),
]

AVX512 = "avx512f avx512cd avx512bw avx512dq avx512vl".split()
KERNELS = {
    "Prescott": ["sse3"],
    "Nehalem": ["sse4.2"],
    "Sandybridge": ["avx"],
    "Haswell": ["avx2", "fma"],
    "Zen": ["avx2", "fma"],
    "SkylakeX": AVX512,
    "Cooperlake": [*AVX512, "avx512bf16"],
    "SapphireRapids": [*AVX512, "avx512bf16", "amx-bf16"],
}
"""OpenBLAS's kernels for x86-64, and what they need, by LLVM's names."""

OLDEST = {"Prescott": "Katmai"}
"""What OpenBLAS calls a kernel that it takes for several processors: the first of these."""

PROBE = """
import json
import numpy as np, threadpoolctl
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from wengert.compile import machine
np.ones((9, 9)) @ np.ones((9, 9))
blas = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
print(json.dumps({
    "kernels": [p.get("architecture", "?") for p in blas if p["internal_api"] == "openblas"],
    "libraries": [p["internal_api"] for p in blas],
    "dispatch": [name for name in __cpu_dispatch__ if __cpu_features__.get(name)],
    "cpu": machine.host().cpu,
    "features": machine.host().features,
    "triple": machine.host().triple,
}))
"""


@dataclass
class Variation:
    """Environment variables that make this processor seem another one, or why they cannot."""

    kind: str
    name: str
    environment: dict[str, str] = field(default_factory=dict)
    skipped: str = ""


def probe(environment: dict[str, str]) -> dict[str, object]:
    """What a process with these variables computes with."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def kernels(here: dict[str, object]) -> Iterator[Variation]:
    """The kernels of OpenBLAS."""
    have = set(str(here["features"]).split(","))
    x86 = str(here["triple"]).startswith(("x86_64", "amd64"))
    for name, needed in KERNELS.items():
        lacks = [feature for feature in needed if f"+{feature}" not in have]
        environment = {"OPENBLAS_CORETYPE": name}
        reason = ""
        if not x86:
            reason = "for x86-64"
        elif lacks:
            reason = f"this processor has no {', '.join(lacks)}"
        elif not here["kernels"]:
            reason = f"NumPy's BLAS is not OpenBLAS: {here['libraries'] or 'none is known'}"
        else:
            taken = [str(kernel) for kernel in probe(environment).get("kernels", [])]
            if not {name, OLDEST.get(name)}.intersection(taken):
                reason = f"NumPy's OpenBLAS takes {' '.join(taken) or 'another'} for it"
        yield Variation("BLAS kernel", name, environment, reason)


def dispatch(here: dict[str, object]) -> Iterator[Variation]:
    """The levels of NumPy's own loops: without the highest instructions, and so on down."""
    found = list(here["dispatch"])
    levels = {
        "without AVX-512": re.compile(r"AVX512|X86_V4"),
        "without AVX2": re.compile(r"AVX512|X86_V[34]|AVX2|FMA3|F16C"),
        "without all that can be": re.compile(""),
    }
    before: list[str] = []
    for name, pattern in levels.items():
        off = [feature for feature in found if pattern.search(feature)]
        environment = {"NPY_DISABLE_CPU_FEATURES": " ".join(off)}
        reason = ""
        if not off:
            reason = "NumPy dispatches to none of these here"
        elif off == before:
            reason = "the same as the one before"
        elif set(probe(environment).get("dispatch", off)) & set(off):
            reason = "NumPy does not let them go"
        before = off or before
        label = f"{name} ({' '.join(off)})" if off else name
        yield Variation("NumPy", label, environment, reason)


def targets(here: dict[str, object]) -> Iterator[Variation]:
    """The levels of x86-64 that code can be compiled for."""
    for name in ("x86-64-v2", "x86-64-v3", "x86-64-v4"):
        environment = {"WENGERT_TARGET": name}
        found = probe(environment)
        reason = ""
        if "error" in found or found["cpu"] != name:
            reason = f"this processor ({here['cpu']}) does not have all of it"
        yield Variation("target", name, environment, reason)


def variations(short: bool) -> list[Variation]:
    """All, the first being the processor as it is."""
    here = probe({})
    if "error" in here:
        raise SystemExit(f"test-portable needs NumPy, threadpoolctl and llvmlite: {here['error']}")
    found = [Variation("this processor", str(here["cpu"]))]
    for kind in (kernels, dispatch, targets):
        some = list(kind(here))
        able = [each for each in some if not each.skipped]
        lowest = able[-1:] if kind is dispatch else able[:1]
        found += [each for each in some if not short or each.skipped or each in lowest]
    return found[1:] if short else found


def run(variation: Variation, folder: Path, short: bool) -> tuple[str, float]:
    """Run the tests under a variation: the last line of pytest, and processor time in seconds."""
    ignored = [f"--ignore=tests/compile/{name}" for name in LEFT_OUT]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    workers = os.environ.get("WORKERS", "auto")
    log = folder / f"{variation.kind} {variation.name}.txt".replace(" ", "-")
    paths = [path for path in (SHORT if short else TESTS) if (ROOT / path).exists()]
    begin = os.times()
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider"),
                *("-m", "not slow", "--hypothesis-profile=quick"),
                *(f"--numprocesses={workers}", "--maxprocesses=8", "--dist=worksteal"),
                *(*ignored, *paths),
            ],
            cwd=ROOT,
            env=os.environ | one | variation.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    end = os.times()
    lines = log.read_text(encoding="utf-8").splitlines()
    seconds = end.children_user - begin.children_user + end.children_system - begin.children_system
    if done.returncode:
        print(*(line for line in lines if line.startswith(("FAILED", "ERROR"))), sep="\n")
        print(f"the whole output is in {log}")
    last = lines[-1].strip("= ") if lines else ""
    return ("passed" if not done.returncode else "FAILED") + f": {last}", seconds


def main(arguments: list[str]) -> int:
    """Print a row for each variation as it is done; 1 if one of them failed."""
    short = "--short" in arguments
    folder = Path(tempfile.mkdtemp(prefix="wengert-portable-"))
    failed = 0
    begin = time.monotonic()
    found = variations(short)
    wide = max(len(each.name) for each in found)
    for each in found:
        head = f"{each.kind:<15} {each.name:<{wide}}  "
        if each.skipped:
            print(f"{head}skipped: {each.skipped}", flush=True)
            continue
        result, seconds = run(each, folder, short)
        failed += not result.startswith("passed")
        print(f"{head}{result} ({seconds:.0f} s of processor time)", flush=True)
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{time.monotonic() - begin:.0f} s in all, {failed or 'none'} failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
