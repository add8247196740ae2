"""Medians and quantiles by every method, with weights and with NaN left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import agrees_with_numpy, value

T = np.random.default_rng(2).standard_normal((3, 4, 2))
N = T.copy()
N[0, 1, 1] = N[2, 0, 0] = N[1, 1, 1] = np.nan
W = np.random.default_rng(4).random((3, 4, 2))

METHODS = (
    "linear lower higher nearest midpoint inverted_cdf averaged_inverted_cdf closest_observation "
    "interpolated_inverted_cdf hazen weibull median_unbiased normal_unbiased"
).split()

WHERE_NAN = np.isnan(N)


def some_nan(x: Any) -> Any:
    return np.where(WHERE_NAN, np.nan, x)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    **{m: lambda x, m=m: np.quantile(x, [0.2, 0.6, 1.0], axis=1, method=m) for m in METHODS},
    **{
        f"{m} of the others": lambda x, m=m: np.nanquantile(some_nan(x), [0.0, 0.55], 0, method=m)
        for m in METHODS
    },
    "weighted": lambda x: np.quantile(x, [0.1, 0.7], 1, method="inverted_cdf", weights=W),
    "weighted rows": lambda x: np.percentile(
        x, 30, axis=0, method="inverted_cdf", weights=[1.0, 0.0, 2.0]
    ),
    "weighted, of the others": lambda x: np.nanquantile(
        some_nan(x), 0.4, axis=(0, 2), method="inverted_cdf", weights=W, keepdims=True
    ),
    "nanpercentile": lambda x: np.nanpercentile(some_nan(x), [10, 50.0], axis=-1),
    "nanmedian": lambda x: np.nanmedian(some_nan(x)[:, :3]),
    "nanmedian of axes": lambda x: np.nanmedian(some_nan(x), axis=(0, 2), keepdims=True),
    "nanmedian along an axis": lambda x: np.nanmedian(some_nan(x), 1),
    "a traced share": lambda x: np.quantile(T, np.abs(np.tanh(x[0, 0])), axis=0),
    "a traced percentage": lambda x: np.nanpercentile(some_nan(x), np.abs(x[0, 0, 0]) * 9.0),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_quantile_agrees_with_numpy(name: str) -> None:
    agrees_with_numpy(FUNCTIONS[name], T)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["quantile", "nanquantile", "median", "nanmedian"])
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_nan_and_slices_of_nothing_else_give_numpys_values(
    name: str, axis: Any, dtype: str
) -> None:
    x = N.astype(dtype)
    x[:, 1] = np.nan
    shares = (0.3,) if "q" in name else ()
    function = lambda x: getattr(np, name)(x, *shares, axis=axis)  # noqa: E731
    (found,), wanted = value(function, x), function(x)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted), strict=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.quantile(x, 1.5),
        lambda x: np.quantile(x, 0.5, method="none"),
        lambda x: np.quantile(x * 1j, 0.5),
        lambda x: np.nanquantile(x, [[[0.5]]]),
        lambda x: np.quantile(x, 0.5, weights=W),
        lambda x: np.quantile(x, 0.5, method="inverted_cdf", weights=[1.0, 2.0]),
        lambda x: np.quantile(x, 0.5, 0, method="inverted_cdf", weights=[1.0, 2.0]),
        lambda x: np.quantile(x, 0.5, 0, method="inverted_cdf", weights=[1.0, -2.0, 1.0]),
    ],
)
def test_what_numpy_refuses_is_refused(call: Callable[[Any], Any]) -> None:
    with pytest.raises((ValueError, TypeError)) as plain:
        call(T)
    with pytest.raises(plain.type):
        wg.grad(lambda x: np.sum(call(x)))(T)
