"""Calling a function with and without ``jit`` on equal arguments."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert as wg


def same(found: Any, wanted: Any, rtol: float = 1e-12) -> None:
    """Assert that two results are of one structure, dtype and shape, and of nearly equal values.

    A Python float may have become an ``np.float64``, and bytes be in native order.
    """
    if isinstance(wanted, (tuple, list)):
        assert type(found) is type(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other, rtol)
    elif isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key in wanted:
            same(found[key], wanted[key], rtol)
    elif isinstance(wanted, (np.ndarray, np.generic)):
        assert type(found) is type(wanted)
        assert found.dtype.newbyteorder("=") == wanted.dtype.newbyteorder("=")
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-300)
    elif isinstance(wanted, (float, complex)):
        assert isinstance(found, type(wanted))
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-300)
    else:
        assert type(found) is type(wanted)
        assert found == wanted


def agree(f: Callable[..., Any], *calls: Sequence[Any], rtol: float = 1e-12) -> Any:
    """Assert that ``f`` and ``wg.jit(f)`` do the same at each of the calls' arguments, twice.

    The same result or error, and the same arguments afterwards. Returns the jitted function.
    """
    jitted = wg.jit(f, wait=True)
    for args in (*calls, *calls):
        ours, theirs = copy.deepcopy(tuple(args)), copy.deepcopy(tuple(args))
        try:
            wanted: Any = f(*theirs)
        except Exception as error:
            try:
                found = jitted(*ours)
            except type(error):
                continue
            raise AssertionError(f"jit gave {found!r}, and no {error!r}") from error
        same(jitted(*ours), wanted, rtol)
        same(ours, theirs, rtol)
    return jitted
