"""Copies that keep how an array lies in memory."""

import sys

import numpy as np
import pytest

from wengert.memory import copied, laid

LAYOUTS = {
    "reversed": lambda a: a[::-1],
    "with gaps": lambda a: a[::2],
    "transposed": lambda a: a.T,
    "transposed and reversed": lambda a: a.T[:, ::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", [float, np.complex64, np.int8, object])
def test_a_copy_has_the_elements_and_the_strides_of_the_original(layout, dtype):
    a = layout(np.arange(24.0).reshape(4, 6).astype(dtype))
    for b in (copied(a), laid(a, a)):
        assert b.tolist() == a.tolist()
        assert b.strides == a.strides
        assert b.dtype == a.dtype
        assert not np.shares_memory(a, b)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_copy_of_an_array_of_objects_owns_its_references(layout):
    """Memory that holds anything else would be taken for references, and end the process."""
    one = ["an object of its own"]
    before = sys.getrefcount(one)
    a = layout(np.full((4, 6), None, dtype=object))
    for _ in range(50):
        np.random.default_rng(1).integers(0, 255, (4, 24), dtype=np.uint8)
        a[...] = np.full(1, None)
        a.flat[0] = one
        b = copied(a)
        assert b.flat[0] is one
        del b
    del a
    assert sys.getrefcount(one) == before
