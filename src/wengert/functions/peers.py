"""How JAX and autograd do on the names that wengert differentiates, as it was measured once.

Of each name one call was made, of nine numbers, in a text that is the same for all: with ``np`` for
NumPy, ``jax.numpy`` and ``autograd.numpy``. A name counts where ``grad`` of a weighted sum of the
results gives what central differences of NumPy's give, to four digits. ``coverage.page`` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LACKING", "MEASURED", "WHEN"]

WHEN = "2026-12-01, with NumPy 2.5.5 and Python 3.12"

MEASURED: Mapping[str, int] = {
    "np": 263,
    "np.linalg": 30,
    "np.fft": 18,
    "np.emath": 9,
    "np.lib.stride_tricks": 1,
    "np.polynomial.polynomial": 25,
    "np.polynomial.chebyshev": 28,
    "np.polynomial.legendre": 27,
    "np.polynomial.hermite": 27,
    "np.polynomial.hermite_e": 27,
    "np.polynomial.laguerre": 27,
    "ndarray": 43,
    "ufunc": 5,
}
"""How many names there were."""

LACKING: Mapping[str, Mapping[str, str]] = {
    "JAX 0.10.2": {
        "np": """
            arange asanyarray asarray_chkfinite ascontiguousarray asfortranarray broadcast copyto
            fill_diagonal fix flatiter fromiter intersect1d mgrid ndenumerate ndindex nditer
            nextafter ogrid place poly1d polydiv put put_along_axis putmask real_if_close require
            setdiff1d setxor1d spacing union1d unique unique_all unique_counts unique_inverse
            unique_values
        """,
        "np.linalg": "eig",
        "np.emath": "all",
        "np.lib.stride_tricks": "all",
        "np.polynomial.polynomial": "all",
        "np.polynomial.chebyshev": "all",
        "np.polynomial.legendre": "all",
        "np.polynomial.hermite": "all",
        "np.polynomial.hermite_e": "all",
        "np.polynomial.laguerre": "all",
        "ndarray": "fill flat item partition put resize shape sort to_device tolist",
        "ufunc": "at",
    },
    "autograd 1.9.1": {
        "np": """
            apply_along_axis apply_over_axes arange asanyarray asarray asarray_chkfinite
            ascontiguousarray asfortranarray average bincount broadcast_arrays broadcast_to cbrt
            compress convolve copy copysign copyto corrcoef correlate cov cumprod cumulative_prod
            cumulative_sum delete diagflat diagonal divmod ediff1d extract fill_diagonal flatiter
            flip float_power fmod frexp fromiter frompyfunc full_like geomspace heaviside
            histogram2d histogram_bin_edges histogramdd i0 insert interp intersect1d kaiser ldexp
            logspace matrix_transpose matvec median meshgrid mgrid modf nancumprod nancumsum
            nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar
            nditer nextafter ogrid pad percentile piecewise place poly polyadd polyder polydiv
            polyfit polyint polymul polysub polyval positive ptp put put_along_axis putmask
            quantile require resize roots setdiff1d setxor1d sort_complex spacing take
            take_along_axis trapezoid trim_zeros union1d unique unique_all unique_counts
            unique_inverse unique_values unstack unwrap vander vdot vecdot vecmat
        """,
        "np.linalg": """
            cond cross diagonal eigvals eigvalsh lstsq matmul matrix_norm matrix_power
            matrix_transpose outer qr svd svdvals tensordot tensorinv tensorsolve trace vecdot
            vector_norm
        """,
        "np.fft": "fftfreq hfft ihfft rfftfreq",
        "np.emath": "all",
        "np.lib.stride_tricks": "all",
        "np.polynomial.polynomial": "all",
        "np.polynomial.chebyshev": "all",
        "np.polynomial.legendre": "all",
        "np.polynomial.hermite": "all",
        "np.polynomial.hermite_e": "all",
        "np.polynomial.laguerre": "all",
        "ndarray": """
            compress conj conjugate copy cumprod diagonal dot fill flat imag item mT partition put
            real resize shape sort take to_device tolist view
        """,
        "ufunc": "all",
    },
}
"""Names that did not count; ``all`` for the whole module or class."""
