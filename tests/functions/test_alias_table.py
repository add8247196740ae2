"""One table over all of NumPy: what is a view, a copy or the argument itself is so as in NumPy.

The names are NumPy's own lists. Each is in ``ALIASES``, with calls that are tried on operands in
several memory orders, or in ``NEVER``, which is checked with NumPy. Of each call in the table the
result is written to and the operand read, and the operand written to and the result read; values,
refusals and derivatives are compared with NumPy's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import AbstractValueError, WengertError
from wengert.jit.execute import Executable
from wengert.memory import copied
from wengert.primitive import Traced
from wengert.trace import ArrayTracer, layout

pytestmark = pytest.mark.filterwarnings("ignore")

# -- NumPy's names ---------------------------------------------------------------------------------

MODULES = {
    "np": (np, np.__all__),
    "linalg": (np.linalg, np.linalg.__all__),
    "fft": (np.fft, np.fft.__all__),
    "emath": (np.emath, np.emath.__all__),
    "stride_tricks": (np.lib.stride_tricks, dir(np.lib.stride_tricks)),
    "array_utils": (np.lib.array_utils, np.lib.array_utils.__all__),
}


def public() -> dict[str, Any]:
    """NumPy's functions, and the methods and attributes of arrays and ufuncs, by name."""
    found: dict[str, Any] = {}
    for home, (module, names) in MODULES.items():
        for name in names:
            value = getattr(module, name)
            if name[0] != "_" and callable(value) and not isinstance(value, (type, np.ufunc)):
                found[f"{home}.{name}"] = value
    for kind in (np.ndarray, np.ufunc):
        names = [name for name in dir(kind) if name[0] != "_"]
        found.update((f"{kind.__name__}.{name}", getattr(kind, name)) for name in names)
    return found


PUBLIC = public()
OF_SOME = frozenset(
    "np.in1d np.row_stack np.trapz ndarray.itemset ndarray.newbyteorder ndarray.ptp "
    "ndarray.tostring".split()
)
"""What some releases of NumPy have, and others not; what they had before is refused."""

# -- operands --------------------------------------------------------------------------------------

NUMBERS = np.random.default_rng(0).permutation(9).reshape(3, 3) + 1.27

OPERANDS: dict[str, Any] = {
    "C": NUMBERS,
    "F": np.asfortranarray(NUMBERS),
    "reversed": NUMBERS[::-1, ::-1],
    "strided": (np.arange(36.0).reshape(6, 6) % 7 + 0.27)[::2, 1::2],
    "F strided": np.asfortranarray(np.arange(54.0).reshape(3, 18) % 11 + 0.27)[:, ::6],
    "row": NUMBERS[:1].copy(),
    "cube": np.asfortranarray(np.arange(8.0).reshape(2, 2, 2) % 5 + 0.27),
    "vector": NUMBERS[0].copy(),
    "strided vector": NUMBERS[:, 1],
    "reversed vector": NUMBERS[1, ::-1],
    "point": np.array(2.27),
    "complex": np.asfortranarray(NUMBERS),
}


def base_of(kind: str, x: Any) -> Any:
    return x * (1 + 2j) if kind == "complex" else x


# -- the table -------------------------------------------------------------------------------------

Call = Callable[[Any], Any]


def orders(function: Callable[..., Any], *names: str) -> list[Call]:
    return [lambda a, order=order: function(a, order=order) for order in names]


def filled(a: Any, function: Call) -> Any:
    """An array that a call writes into, and what it returns."""
    out = np.zeros_like(a)
    return out, function(out)


ALIASES: dict[str, list[Call]] = {
    # views
    "np.reshape": [
        lambda a: np.reshape(a, -1),
        lambda a: np.reshape(a, (a.size, 1), order="F"),
        lambda a: np.reshape(a, a.shape[::-1], order="A"),
        lambda a: np.reshape(a, (1, *a.shape)),
        lambda a: np.reshape(a, -1, copy=True),
        lambda a: np.reshape(a, -1)[:2],
        lambda a: a.T.reshape(-1),
    ],
    "ndarray.reshape": [
        lambda a: a.reshape(-1, 1),
        lambda a: a.reshape(a.size, order="F"),
        lambda a: a.reshape(a.shape),
        lambda a: (a * 1.0).T.reshape(-1),
    ],
    "np.ravel": [*orders(np.ravel, *"CFAK"), lambda a: np.ravel(a.T)],
    "ndarray.ravel": [*orders(lambda a, order: a.ravel(order), *"CFAK"), lambda a: a.T.ravel("K")],
    "np.transpose": [np.transpose, lambda a: np.transpose(a, range(a.ndim))],
    "ndarray.transpose": [lambda a: a.transpose(), lambda a: a.transpose(1, 0)],
    "ndarray.T": [lambda a: a.T, lambda a: a.T.T[:1]],
    "ndarray.mT": [lambda a: a.mT],
    "np.matrix_transpose": [np.matrix_transpose],
    "linalg.matrix_transpose": [np.linalg.matrix_transpose],
    "np.permute_dims": [np.permute_dims],
    "np.swapaxes": [lambda a: np.swapaxes(a, 0, -1)],
    "ndarray.swapaxes": [lambda a: a.swapaxes(0, 1)],
    "np.moveaxis": [lambda a: np.moveaxis(a, 0, -1), lambda a: np.moveaxis(a, 0, 0)],
    "np.rollaxis": [lambda a: np.rollaxis(a, a.ndim - 1), lambda a: np.rollaxis(a, 0)],
    "np.squeeze": [np.squeeze, lambda a: np.squeeze(a, 0), lambda a: np.squeeze(a[..., :1])],
    "ndarray.squeeze": [lambda a: a.squeeze(), lambda a: a[:1].squeeze(axis=0)],
    "np.expand_dims": [lambda a: np.expand_dims(a, 0), lambda a: np.expand_dims(a, ())],
    "np.atleast_1d": [np.atleast_1d, lambda a: np.atleast_1d(a, a)],
    "np.atleast_2d": [np.atleast_2d],
    "np.atleast_3d": [np.atleast_3d],
    "np.flip": [np.flip, lambda a: np.flip(a, 0)],
    "np.flipud": [np.flipud],
    "np.fliplr": [np.fliplr],
    "np.rot90": [np.rot90, lambda a: np.rot90(a, 4), lambda a: np.rot90(a, 2)],
    "np.split": [lambda a: np.split(a, [1]), lambda a: np.split(a, 1, axis=-1)],
    "np.array_split": [lambda a: np.array_split(a, 2)],
    "np.hsplit": [lambda a: np.hsplit(a, [1])],
    "np.vsplit": [lambda a: np.vsplit(a, [1])],
    "np.dsplit": [lambda a: np.dsplit(a, [1])],
    "np.unstack": [np.unstack, lambda a: np.unstack(a, axis=-1)],
    "np.broadcast_to": [
        lambda a: np.broadcast_to(a, (2, *a.shape)),
        lambda a: np.broadcast_to(a, a.shape),
    ],
    "np.broadcast_arrays": [lambda a: np.broadcast_arrays(a, a)],
    "np.meshgrid": [
        lambda a: np.meshgrid(a, a),
        lambda a: np.meshgrid(a, copy=False),
        lambda a: np.meshgrid(a, a, sparse=True),
        lambda a: np.meshgrid(a, a, sparse=True, copy=False),
    ],
    "np.diagonal": [np.diagonal, lambda a: np.diagonal(a, 1), lambda a: a.diagonal().ravel()],
    "np.diag": [np.diag],
    "linalg.diagonal": [np.linalg.diagonal],
    "ndarray.diagonal": [lambda a: a.diagonal(), lambda a: a.diagonal(-1, 1, 0)[1:]],
    "np.einsum": [
        lambda a: np.einsum("ii->i", a),
        lambda a: np.einsum("ij->ji", a),
        lambda a: np.einsum("ij", a),
        lambda a: np.einsum("...->...", a),
        lambda a: np.einsum(a, [0, 1], [1, 0]),
        lambda a: np.einsum("iij->ji", a),
        lambda a: np.einsum("ij->i", a),
        lambda a: np.einsum("ii->i", a).ravel(),
        lambda a: np.einsum("ii->i", a).reshape(-1),
    ],
    "np.real": [np.real],
    "np.imag": [np.imag],
    "ndarray.real": [lambda a: a.real, lambda a: setattr(a, "real", 2.0)],
    "ndarray.imag": [lambda a: a.imag, lambda a: setattr(a, "imag", 2.0)],
    "np.real_if_close": [np.real_if_close, lambda a: np.real_if_close(a + 0j)],
    "ndarray.conj": [lambda a: a.conj()],
    "ndarray.conjugate": [lambda a: a.conjugate()],
    "ndarray.view": [lambda a: a.view(), lambda a: a.view(a.dtype), lambda a: a.view(np.ndarray)],
    "ndarray.getfield": [lambda a: a.getfield(a.dtype)],
    "ndarray.byteswap": [lambda a: a.byteswap().byteswap()],
    "ndarray.flat": [
        lambda a: a.flat[:2],
        lambda a: a.flat[...],
        lambda a: a.flat[0],
        lambda a: a.flat[[0, 0]],
        lambda a: a.flat.__setitem__(slice(0, 2), 7.0),
        lambda a: a.flat.__setitem__(0, 7.0),
        lambda a: setattr(a, "flat", 3.0),
        lambda a: list(a.flat)[:1],
    ],
    "stride_tricks.sliding_window_view": [
        lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, axis=0),
        lambda a: np.lib.stride_tricks.sliding_window_view(a, (1,) * a.ndim),
    ],
    "stride_tricks.as_strided": [lambda a: np.lib.stride_tricks.as_strided(a)],
    "np.trim_zeros": [lambda a: np.trim_zeros(a)],
    "np.ix_": [lambda a: np.ix_(a)],
    "np.frombuffer": [lambda a: np.frombuffer(a)],
    "np.from_dlpack": [lambda a: np.from_dlpack(a)],
    # the argument itself, in some cases
    "np.asarray": [lambda a: np.asarray(a)],
    "np.asanyarray": [lambda a: np.asanyarray(a)],
    "np.ascontiguousarray": [lambda a: np.ascontiguousarray(a)],
    "np.asfortranarray": [lambda a: np.asfortranarray(a)],
    "np.asarray_chkfinite": [lambda a: np.asarray_chkfinite(a)],
    "np.asmatrix": [lambda a: np.asmatrix(a)],
    "np.require": [lambda a: np.require(a)],
    "np.array": [lambda a: np.array(a), lambda a: np.array(a, copy=None)],
    "np.astype": [lambda a: np.astype(a, float), lambda a: np.astype(a, a.dtype, copy=False)],
    "ndarray.astype": [
        lambda a: a.astype(a.dtype),
        lambda a: a.astype(a.dtype, copy=False),
        lambda a: a.astype(a.dtype, order="C", copy=False),
        lambda a: a.astype(a.dtype, order="F", copy=False),
        lambda a: a.astype(complex, order="F").ravel("K"),
    ],
    "np.nan_to_num": [
        np.nan_to_num,
        lambda a: np.nan_to_num(a, copy=False),
        lambda a: (a.fill(np.nan), np.nan_to_num(a, copy=False, nan=2.0))[1],
    ],
    "np.diff": [np.diff, lambda a: np.diff(a, n=0)],
    "linalg.matrix_power": [lambda a: np.linalg.matrix_power(a, 1)],
    "fft.fft2": [lambda a: np.fft.fft2(a, axes=())],
    "fft.ifft2": [lambda a: np.fft.ifft2(a, axes=())],
    "fft.fftn": [lambda a: np.fft.fftn(a, axes=())],
    "fft.ifftn": [lambda a: np.fft.ifftn(a, axes=())],
    "np.polyder": [lambda a: np.polyder(a, 0)],
    "np.polyint": [lambda a: np.polyint(a, 0)],
    "np.histogram_bin_edges": [lambda a: np.histogram_bin_edges(1.0, np.sort(a))],
    "np.histogram": [lambda a: np.histogram([1.0], np.sort(a))[1]],
    "np.histogram2d": [lambda a: np.histogram2d([1.0], [1.0], [np.sort(a)] * 2)[1:]],
    "np.histogramdd": [lambda a: np.histogramdd([[1.0]], [np.sort(a)])[1]],
    # copies whose memory order shows
    "np.copy": [np.copy, *orders(np.copy, *"CFAK"), lambda a: np.copy(a).reshape(-1)],
    "ndarray.copy": orders(lambda a, order: a.copy(order), *"CFAK"),
    "ndarray.flatten": orders(lambda a, order: a.flatten(order), *"CFAK"),
    "np.zeros_like": [lambda a: np.zeros_like(a).ravel("K"), lambda a: np.zeros_like(a, order="F")],
    "np.full_like": [lambda a: np.full_like(a, a[..., :1]).reshape(-1)],
    "np.take": [lambda a: np.take(a, [0, 0], axis=-1), lambda a: a.take(0).ravel()],
    "np.clip": [lambda a: np.clip(a, None, None), lambda a: np.clip(a, 0.0, 100.0).reshape(-1)],
    "np.roll": [lambda a: np.roll(a, 0), lambda a: np.roll(a, 1, axis=0)],
    "np.tile": [lambda a: np.tile(a, 1), lambda a: np.tile(a, (1, 2))],
    "np.repeat": [lambda a: np.repeat(a, 1), lambda a: np.repeat(a, 2, axis=0)],
    "np.pad": [lambda a: np.pad(a, 0)],
    "np.block": [np.block, lambda a: np.block([a])],
    "np.concatenate": [lambda a: np.concatenate([a]), lambda a: np.concatenate([a, a], axis=-1)],
    "np.where": [lambda a: np.where(a > 3, a, a), lambda a: np.where(True, a, 0.0).reshape(-1)],
    "np.choose": [lambda a: np.choose(0, [a])],
    "np.select": [lambda a: np.select([a > 3], [a], a)],
    "np.sum": [lambda a: np.sum(a, axis=()), lambda a: np.sum(a)],
    "np.max": [lambda a: np.max(a, axis=()), lambda a: np.max(a)],
    # what writes into an argument
    "np.copyto": [
        lambda a: np.copyto(a, 2.0),
        lambda a: np.copyto(a, a[::-1]),
        lambda a: np.copyto(a, 2.0, where=a > 3),
    ],
    "np.put": [lambda a: np.put(a, [0, -1, 0], [7.0, 8.0, 9.0])],
    "ndarray.put": [lambda a: a.put([0], 7.0)],
    "np.place": [lambda a: np.place(a, np.arange(a.size).reshape(a.shape) % 2 == 0, [7.0, 8.0])],
    "np.putmask": [lambda a: np.putmask(a, np.ones(a.shape, bool), a.T * 2.0)],
    "np.put_along_axis": [
        lambda a: np.put_along_axis(a, np.zeros((1,) * a.ndim, int), 7.0, axis=0),
        lambda a: np.put_along_axis(a, np.zeros(1, int), 7.0, axis=None),
    ],
    "np.fill_diagonal": [lambda a: np.fill_diagonal(a, 7.0)],
    "ndarray.fill": [lambda a: a.fill(7.0)],
    "ndarray.sort": [lambda a: a.sort(), lambda a: a.T.sort(axis=0)],
    "ndarray.partition": [lambda a: a.partition(1)],
    "ndarray.resize": [lambda a: a.resize(a.shape)],
    "ndarray.setfield": [lambda a: a.setfield(2.0, a.dtype)],
    "ndarray.setflags": [lambda a: a.setflags(write=True)],
    "ufunc.at": [
        lambda a: np.add.at(a, ([0, 0],), 2.0),
        lambda a: np.subtract.at(a, ..., 2.0),
    ],
    # ``out``, which stands for the parameter of all functions that have it
    "ufunc.reduce": [lambda a: filled(a, lambda out: np.add.reduce(a[None], axis=0, out=out))],
    "ufunc.accumulate": [lambda a: filled(a, lambda out: np.add.accumulate(a, out=out))],
    "ufunc.outer": [lambda a: np.multiply.outer(a, 1.0)],
    "ndarray.dot": [lambda a: a.dot(1.0)],
    "ndarray.clip": [lambda a: a.clip(0.0, 5.0, out=a), lambda a: a.clip(None, None)],
    "ndarray.round": [lambda a: a.round(), lambda a: a.round(1, a)],
    "ndarray.cumsum": [lambda a: filled(a, lambda out: a[None].cumsum(axis=1, out=out[None]))],
    "ndarray.base": [lambda a: (a * 1.0)[:1].base],
}

OPERATORS: dict[str, list[Call]] = {
    "getitem": [
        lambda a: a[...],
        lambda a: a[()],
        lambda a: a[None],
        lambda a: a[0],
        lambda a: a[..., 0],
        lambda a: a[..., ::-1][:1],
        lambda a: a[[0, 1]],
        lambda a: a[a > 3],
        lambda a: a[:, np.newaxis, ...],
        lambda a: a[True],
        lambda a: a[:, [1, 0]].reshape(-1),
        lambda a: list(a),
    ],
    "setitem": [
        lambda a: a.__setitem__(..., 2.0),
        lambda a: a.__setitem__(slice(1, None), a[:-1]),
        lambda a: a.__setitem__((), 2.0),
    ],
    "arithmetic": [
        lambda a: (a * 1.0).ravel("K"),
        lambda a: (a * 1.0).reshape(-1),
        lambda a: (a + a.T).ravel("K"),
        lambda a: (+a).ravel("K"),
        lambda a: a.__iadd__(a.T),
        lambda a: np.multiply(a, 2.0, out=a),
        lambda a: np.add(a, a.T, out=a),
        lambda a: filled(a, lambda out: np.exp(a * 0.1, out)),
    ],
}

CALLS = ALIASES | OPERATORS

NEVER = frozenset(
    """
    array_utils.byte_bounds array_utils.normalize_axis_index array_utils.normalize_axis_tuple
    emath.arccos emath.arcsin emath.arctanh emath.log emath.log10 emath.log2 emath.logn
    emath.power emath.sqrt fft.fft fft.fftfreq fft.fftshift fft.hfft fft.ifft
    fft.ifftshift fft.ihfft fft.irfft fft.irfft2 fft.irfftn fft.rfft
    fft.rfft2 fft.rfftfreq fft.rfftn linalg.cholesky linalg.cond linalg.cross linalg.det
    linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh linalg.inv linalg.lstsq linalg.matmul
    linalg.matrix_norm linalg.matrix_rank linalg.multi_dot linalg.norm linalg.outer linalg.pinv
    linalg.qr linalg.slogdet linalg.solve linalg.svd linalg.svdvals linalg.tensordot
    linalg.tensorinv linalg.tensorsolve linalg.trace linalg.vecdot linalg.vector_norm
    ndarray.all ndarray.any ndarray.argmax ndarray.argmin ndarray.argpartition ndarray.argsort
    ndarray.choose ndarray.compress ndarray.ctypes ndarray.cumprod ndarray.data ndarray.device
    ndarray.dtype ndarray.dump ndarray.dumps ndarray.flags ndarray.item ndarray.itemsize
    ndarray.max ndarray.mean ndarray.min ndarray.nbytes ndarray.ndim ndarray.nonzero
    ndarray.prod ndarray.repeat ndarray.searchsorted ndarray.shape ndarray.size ndarray.std
    ndarray.strides ndarray.sum ndarray.take ndarray.to_device ndarray.tobytes ndarray.tofile
    ndarray.tolist ndarray.trace ndarray.var np.all np.allclose np.amax np.amin np.angle np.any
    np.append np.apply_along_axis np.apply_over_axes np.arange np.argmax np.argmin
    np.argpartition np.argsort np.argwhere np.around np.array2string np.array_equal
    np.array_equiv np.array_repr np.array_str np.average np.bartlett np.base_repr np.binary_repr
    np.bincount np.blackman np.bmat np.broadcast_shapes np.busday_count np.busday_offset
    np.can_cast np.column_stack np.common_type np.compress np.concat np.convolve np.corrcoef
    np.correlate np.count_nonzero np.cov np.cross np.cumprod np.cumsum np.cumulative_prod
    np.cumulative_sum np.datetime_as_string np.datetime_data np.delete np.diag_indices
    np.diag_indices_from np.diagflat np.digitize np.dot np.dstack np.ediff1d np.einsum_path
    np.empty np.empty_like np.extract np.eye np.fix np.flatnonzero np.format_float_positional
    np.format_float_scientific np.fromfile np.fromfunction np.fromiter np.frompyfunc
    np.fromregex np.fromstring np.full np.genfromtxt np.geomspace np.get_include
    np.get_printoptions np.getbufsize np.geterr np.geterrcall np.gradient np.hamming np.hanning
    np.hstack np.i0 np.identity np.indices np.info np.inner np.insert np.interp np.intersect1d
    np.is_busday np.isclose np.iscomplex np.iscomplexobj np.isdtype np.isfortran np.isin
    np.isneginf np.isposinf np.isreal np.isrealobj np.isscalar np.issubdtype np.iterable
    np.kaiser np.kron np.lexsort np.linspace np.load np.loadtxt np.logspace np.mask_indices
    np.may_share_memory np.mean np.median np.min np.min_scalar_type np.mintypecode np.nanargmax
    np.nanargmin np.nancumprod np.nancumsum np.nanmax np.nanmean np.nanmedian np.nanmin
    np.nanpercentile np.nanprod np.nanquantile np.nanstd np.nansum np.nanvar np.ndim
    np.nested_iters np.nonzero np.ones np.ones_like np.outer np.packbits np.partition
    np.percentile np.piecewise np.poly np.polyadd np.polydiv np.polyfit np.polymul np.polysub
    np.polyval np.printoptions np.prod np.promote_types np.ptp np.quantile np.ravel_multi_index
    np.resize np.result_type np.roots np.round np.row_stack np.save np.savetxt np.savez
    np.savez_compressed np.searchsorted np.set_printoptions np.setbufsize np.setdiff1d np.seterr
    np.seterrcall np.setxor1d np.shape np.shares_memory np.show_config np.show_runtime np.sinc
    np.size np.sort np.sort_complex np.stack np.std np.take_along_axis np.tensordot np.test
    np.trace np.trapezoid np.tri np.tril np.tril_indices np.tril_indices_from np.triu
    np.triu_indices np.triu_indices_from np.typename np.union1d np.unique np.unique_all
    np.unique_counts np.unique_inverse np.unique_values np.unpackbits np.unravel_index np.unwrap
    np.vander np.var np.vdot np.vstack np.zeros ufunc.identity ufunc.nargs ufunc.nin ufunc.nout
    ufunc.ntypes ufunc.reduceat ufunc.resolve_dtypes ufunc.signature ufunc.types
    """.split()
)
"""Whose results share no memory with an operand, but by ``out``."""


# -- the lists -------------------------------------------------------------------------------------


def test_every_public_name_is_in_one_of_the_lists() -> None:
    assert set(PUBLIC) - OF_SOME == (set(ALIASES) | NEVER) - OF_SOME
    assert not set(ALIASES) & NEVER


SECONDS: list[tuple[Any, ...]] = [
    *((), (0,), (1,), ("other",), (0, 1), ("other", 0), (0, "other"), ((3, 3),), (float,)),
    *(([0, 1],), ([0, 2], 1), (None, None)),
]
FIRSTS: list[tuple[Any, ...]] = [(), (0,), (bool,), (lambda t: t,)]

NOT_CALLED = frozenset(
    """
    np.fromfile np.fromregex np.genfromtxt np.load np.loadtxt np.save np.savetxt np.savez
    np.savez_compressed np.test np.info np.show_config np.show_runtime np.set_printoptions
    np.printoptions np.seterr np.seterrcall np.setbufsize np.bmat np.get_include ndarray.dump
    ndarray.tofile
    """.split()
)
"""What reads or writes files, prints, or changes settings."""


def arrays_of(result: Any) -> Iterator[Any]:
    """The arrays and numbers of floating point among results."""
    if isinstance(result, (list, tuple)):
        for part in result:
            yield from arrays_of(part)
    elif isinstance(result, (np.ndarray, np.generic, Traced)):
        if result.dtype == object and not result.flags.writeable:
            raise TypeError("what stands for an array without axes cannot be written to")
        if result.dtype.kind in "fcO":
            yield result


def called(name: str, a: Any, before: tuple[Any, ...], after: tuple[Any, ...]) -> Any:
    """A call of a public name; whatever NumPy raises where it cannot be called so."""
    value = PUBLIC[name]
    if name.startswith("ufunc."):
        return getattr(np.add, name[6:])(a, *after)
    if name.startswith("ndarray."):
        value = getattr(a, name[8:])
        return value(*after) if callable(value) else value
    return value(*before, a, *after)


def calls_of(name: str, kinds: list[str]) -> Iterator[tuple[Any, Any, Call]]:
    """Results of calls that NumPy takes, their operands, and the calls."""
    for kind, before, after in itertools.product(kinds, FIRSTS, SECONDS):
        if before and name.startswith(("ndarray.", "ufunc.")):
            continue
        a = copied(OPERANDS[kind])
        other = a.copy()
        others = tuple(other if isinstance(each, str) else each for each in after)

        def call(x: Any, before: Any = before, others: Any = others) -> Any:
            return called(name, x, before, others)

        try:
            result = call(a)
        except Exception:
            continue
        if result is not other and not (before and result is a):  # These were given as ``out``.
            yield result, a, call


@pytest.mark.parametrize("name", sorted(NEVER - NOT_CALLED))
def test_what_never_shares_memory_does_not(name: str) -> None:
    kinds = ["C", "F", "row", "cube", "vector", "strided vector", "point"]
    for result, a, _ in calls_of(name, kinds):
        for part in arrays_of(result):
            assert not (isinstance(part, np.ndarray) and np.shares_memory(part, a))


# -- what is observed ------------------------------------------------------------------------------


def measure(y: Any) -> Any:
    """A number that depends on every element of an array."""
    weights = np.arange(1.0, y.size + 1).reshape(y.shape) % 5 + 1
    total = np.sum(weights * np.real(y))
    return total + np.sum(np.imag(y) * weights) / 2 if y.dtype.kind == "c" else total


def write_the_result(call: Call, a: Any, log: list[str], caught: tuple[Any, ...]) -> Any:
    parts = list(arrays_of(call(a)))
    for part in parts:
        log.append("array" if isinstance(part, (np.ndarray, ArrayTracer)) else "number")
        try:
            part *= 3.0
        except caught:
            log.append("refused")
    return sum(map(measure, parts), measure(a))


def write_the_operand(call: Call, a: Any, log: list[str], caught: tuple[Any, ...]) -> Any:
    parts = list(arrays_of(call(a)))
    a *= 2.0
    a[...] = a + 1.0
    return sum(map(measure, parts), measure(a) / 8)


PROGRAMS = [write_the_result, write_the_operand]
REFUSALS = (WengertError, AttributeError, TypeError)


def batch_of(x: Any) -> Any:
    """Two arrays that lie in memory as ``x`` does, one after the other."""
    span = sum((n - 1) * abs(step) for n, step in zip(x.shape, x.strides, strict=True)) + 8
    start = sum((n - 1) * -step for n, step in zip(x.shape, x.strides, strict=True) if step < 0)
    room = np.zeros(2 * span, np.uint8)
    made = np.ndarray((2, *x.shape), float, room, start, (span, *x.strides))
    made[0], made[1] = x, x[..., ::-1] + 0.25 if x.ndim else x + 0.25
    return made


class Case:
    """A call on an operand, in one of the two programs."""

    def __init__(self, kind: str, call: Call, program: Callable[..., Any]) -> None:
        self.x = OPERANDS[kind]
        self.logs: list[list[str]] = []
        self.caught: tuple[Any, ...] = (ValueError,)

        def f(x: Any) -> Any:
            self.logs.append([])
            return program(call, base_of(kind, x), self.logs[-1], self.caught)

        self.f = f

    def plainly(self, x: Any) -> Any:
        """NumPy's value; None where it raises."""
        try:
            value = self.f(copied(x))
        except (TypeError, ValueError, IndexError, AttributeError, np.linalg.LinAlgError):
            return None
        if "refused" not in self.logs[0]:
            self.caught = ()
        return value

    def slope(self, direction: Any) -> Any:
        step = 1e-3 * direction
        values = []
        for sign in (1, -1):
            x = copied(self.x)
            x[...] = x + sign * step
            values.append(self.f(x))
        return (values[0] - values[1]) / 2e-3


def cases(names: Iterator[str] | list[str], every: int) -> Iterator[Case]:
    """Cases that NumPy takes; of the operands one in ``every``, others for other calls."""
    counter = itertools.count()
    for name in names:
        for call in CALLS[name]:
            for i, kind in enumerate(OPERANDS):
                if (i + next(counter) // len(OPERANDS)) % every == 0:
                    yield from (Case(kind, call, program) for program in PROGRAMS)


def check_eagerly(case: Case) -> None:
    wanted = case.plainly(case.x)
    if wanted is None:
        return
    (log,) = case.logs
    try:
        value, gradient = wg.value_and_grad(case.f)(case.x)
    except REFUSALS:
        return
    assert value == pytest.approx(wanted, rel=1e-12)
    assert case.logs[-1] == log
    direction = np.cos(np.arange(case.x.size).reshape(case.x.shape))
    slope = case.slope(direction)
    assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6, abs=1e-8)
    value, tangent = wg.jvp(case.f, (case.x,), (direction,))
    assert (value, tangent) == pytest.approx((wanted, slope), rel=1e-6, abs=1e-8)
    if case.x.ndim:
        points = batch_of(case.x)
        try:
            values = wg.vmap(case.f)(points)
        except AbstractValueError:
            return
        assert values[0] == pytest.approx(wanted, rel=1e-12)
        assert case.logs[-1] == log
        assert values[1] == pytest.approx(case.f(copied(points[1])), rel=1e-12)


def check_jitted(case: Case) -> None:
    wanted = case.plainly(case.x)
    if wanted is None:
        return
    written = copied(case.x)
    case.f(written)
    jitted = wg.jit(case.f)
    for _ in range(2):
        x = copied(case.x)
        assert jitted(x) == pytest.approx(wanted, rel=1e-12)
        np.testing.assert_allclose(x, written, rtol=1e-12)
    direction = np.cos(np.arange(case.x.size).reshape(case.x.shape))
    try:
        gradient = wg.jit(wg.grad(case.f))(copied(case.x))
    except REFUSALS:
        return
    slope = case.slope(direction)
    assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled: what is recorded is what is tested."""
    monkeypatch.setattr(Executable, "start", lambda self, wait: self)


SLOW = pytest.mark.slow(reason="all operands for each call; a third of them is in make test")


@pytest.mark.parametrize("name", list(CALLS))
def test_memory_is_shared_as_in_numpy(name: str) -> None:
    for case in cases([name], every=3):
        check_eagerly(case)


@SLOW
@pytest.mark.parametrize("name", list(CALLS))
def test_memory_is_shared_as_in_numpy_by_all_operands(name: str) -> None:
    for case in cases([name], every=1):
        check_eagerly(case)


@pytest.mark.usefixtures("evaluated")
def test_memory_is_shared_as_in_numpy_under_jit() -> None:
    for case in itertools.islice(cases(list(CALLS), every=1), 3, None, 29):
        check_jitted(case)


@SLOW
@pytest.mark.usefixtures("evaluated")
@pytest.mark.parametrize("name", list(CALLS))
def test_memory_is_shared_as_in_numpy_under_jit_by_all_operands(name: str) -> None:
    for case in cases([name], every=1):
        check_jitted(case)


# -- how results lie in memory ---------------------------------------------------------------------


def form(y: Any) -> Any:
    """Whether a result is an array or a number, and the strides of an array's longer axes."""
    if not isinstance(y, (np.ndarray, ArrayTracer)):
        return "number", y.shape
    model = layout(y)
    steps = [step for n, step in zip(model.shape, model.strides, strict=True) if n > 1]
    return "array", y.shape, steps if y.size else []


OTHERWISE = {
    "linalg.qr": ["cube"],
    "np.cross": ["cube"],
    "ndarray.flat": list(OPERANDS),
    "np.dot": ["point"],  # with out= of no axes NumPy gives a number and not out
    "ndarray.dot": ["point"],
}
"""Results in another order than NumPy's, for these operands."""


def check_forms(name: str, kinds: list[str]) -> None:
    for result, a, call in calls_of(name, [k for k in kinds if k not in OTHERWISE.get(name, [])]):
        wanted = list(arrays_of(result))
        if not wanted or any(y.dtype.kind not in "fc" for y in wanted):
            continue
        forms: list[Any] = []

        def f(x: Any, call: Call = call, forms: list[Any] = forms) -> Any:
            forms.extend(map(form, arrays_of(call(x))))
            return np.sum(x)

        try:
            wg.grad(f)(a)
        except (*REFUSALS, IndexError, ValueError):
            continue
        assert forms == list(map(form, wanted))


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - NOT_CALLED))
def test_results_lie_in_memory_as_numpys(name: str) -> None:
    check_forms(name, ["F"])


@SLOW
@pytest.mark.parametrize("name", sorted(set(PUBLIC) - NOT_CALLED))
def test_results_of_all_operands_lie_in_memory_as_numpys(name: str) -> None:
    check_forms(name, list(OPERANDS))
