"""What becomes of each public name of NumPy's: one table, from which ``docs/coverage.md`` is made.

``page`` writes it (CONTRIBUTING.md says how). A test fails when NumPy has a name that the table
does not know, or when the table says what the rules do not.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from ..trace import REASONS
from .peers import LACKING, MEASURED, WHEN

__all__ = ["TABLE", "page", "reason"]

DIFFERENTIABLE = "Differentiable"
STEPS = "Constant between steps"
DISCRETE = "Integers, truth values and facts"
WITHOUT = "Without operands that could be traced"
OUTSIDE = "Types, constants, files, texts and settings"
REFUSED = "Refused"

ABOUT: Mapping[str, str] = {
    DIFFERENTIABLE: "in forward and in reverse mode, to all orders, under `vmap` and `jit`",
    STEPS: "the derivative is 0",
    DISCRETE: "there is nothing to differentiate, and the result is NumPy's",
    WITHOUT: "NumPy's own, as is what they make: traced values can be assigned into it",
    OUTSIDE: "nothing that a traced value is given to",
    REFUSED: "with an error that says what to write",
}

TABLE: Mapping[str, Mapping[str, str]] = {
    "np": {
        DIFFERENTIABLE: """
            abs absolute acos acosh add amax amin angle append apply_along_axis apply_over_axes
            arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh array array_split
            asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asin asinh
            astype atan atan2 atanh atleast_1d atleast_2d atleast_3d average bincount block
            broadcast broadcast_arrays broadcast_to c_ cbrt choose clip column_stack compress
            concat concatenate conj conjugate convolve copy copysign copyto corrcoef correlate cos
            cosh cov cross cumprod cumsum cumulative_prod cumulative_sum deg2rad degrees delete
            diag diagflat diagonal diff divide divmod dot dsplit dstack ediff1d einsum empty_like
            exp exp2 expand_dims expm1 extract fabs fill_diagonal flatiter flip fliplr flipud
            float_power fmax fmin fmod frexp fromfunction fromiter frompyfunc full full_like
            geomspace gradient heaviside histogram histogram2d histogram_bin_edges histogramdd
            hsplit hstack hypot i0 imag inner insert interp intersect1d kaiser kron ldexp linspace
            log log10 log1p log2 logaddexp logaddexp2 logspace matmul matrix_transpose matvec max
            maximum mean median meshgrid mgrid min minimum mod modf moveaxis multiply nan_to_num
            nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile
            nanstd nansum nanvar ndenumerate ndindex nditer negative nextafter ogrid ones_like
            outer pad partition percentile permute_dims piecewise place poly poly1d polyadd
            polyder polydiv polyfit polyint polymul polysub polyval positive pow power prod ptp
            put put_along_axis putmask quantile r_ rad2deg radians ravel real real_if_close
            reciprocal remainder repeat require reshape resize roll rollaxis roots rot90 row_stack
            select setdiff1d setxor1d sin sinc sinh sort sort_complex split sqrt square squeeze
            stack std subtract sum swapaxes take take_along_axis tan tanh tensordot tile trace
            transpose trapezoid trapz tril trim_zeros triu true_divide union1d unique unique_all
            unique_counts unique_inverse unique_values unstack unwrap vander var vdot vecdot
            vecmat vectorize vsplit vstack where zeros_like
        """,
        STEPS: "around ceil fix floor floor_divide rint round sign spacing trunc",
        DISCRETE: """
            all allclose any argmax argmin argpartition argsort argwhere array2string array_equal
            array_equiv array_repr array_str bitwise_and bitwise_invert bitwise_left_shift
            bitwise_not bitwise_or bitwise_right_shift bitwise_xor can_cast common_type
            count_nonzero diag_indices_from digitize einsum_path equal flatnonzero gcd greater
            greater_equal in1d invert isclose iscomplex iscomplexobj isfinite isfortran isin isinf
            isnan isneginf isposinf isreal isrealobj isscalar iterable ix_ lcm left_shift less
            less_equal lexsort logical_and logical_not logical_or logical_xor may_share_memory
            min_scalar_type nanargmax nanargmin ndim nonzero not_equal ravel_multi_index
            result_type right_shift searchsorted shape shares_memory signbit size
            tril_indices_from triu_indices_from unravel_index
        """,
        WITHOUT: """
            bartlett blackman broadcast_shapes diag_indices empty eye hamming hanning identity
            index_exp indices mask_indices ones s_ tri tril_indices triu_indices zeros
        """,
        OUTSIDE: """
            False_ ScalarType True_ __array_namespace_info__ __version__ core ctypeslib dtype
            dtypes e emath errstate euler_gamma exceptions f2py fft finfo fromfile fromregex
            fromstring genfromtxt get_include get_printoptions getbufsize geterr geterrcall iinfo
            inf info isdtype issubdtype lib linalg little_endian load loadtxt mintypecode nan
            ndarray newaxis pi polynomial printoptions promote_types sctypeDict set_printoptions
            setbufsize seterr seterrcall show_config show_runtime test testing typecodes typename
            typing ufunc
        """,
        REFUSED: """
            asmatrix base_repr binary_repr bitwise_count bmat busday_count busday_offset
            busdaycalendar char datetime_as_string datetime_data format_float_positional
            format_float_scientific from_dlpack frombuffer is_busday isnat ma matrix
            memmap nested_iters packbits random rec recarray save savetxt savez savez_compressed
            strings unpackbits
        """,
    },
    "np.linalg": {
        DIFFERENTIABLE: """
            cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq matmul
            matrix_norm matrix_power matrix_transpose multi_dot norm outer pinv qr slogdet solve
            svd svdvals tensordot tensorinv tensorsolve trace vecdot vector_norm
        """,
        DISCRETE: "matrix_rank",
        OUTSIDE: "LinAlgError",
    },
    "np.fft": {
        DIFFERENTIABLE: """
            fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2
            irfftn rfft rfft2 rfftfreq rfftn
        """,
    },
    "np.emath": {
        DIFFERENTIABLE: "arccos arcsin arctanh log log10 log2 logn power sqrt",
    },
    "np.lib.stride_tricks": {
        DIFFERENTIABLE: "as_strided sliding_window_view",
    },
    "np.lib.array_utils": {
        DISCRETE: "normalize_axis_index normalize_axis_tuple",
        REFUSED: "byte_bounds",
    },
    "np.polynomial.polynomial": {
        DIFFERENTIABLE: """
            Polynomial polyadd polycompanion polyder polydiv polyfit polyfromroots polygrid2d
            polygrid3d polyint polyline polymul polymulx polypow polyroots polysub polytrim
            polyval polyval2d polyval3d polyvalfromroots polyvalnd polyvander polyvander2d
            polyvander3d
        """,
        OUTSIDE: "polydomain polyone polyx polyzero",
    },
    "np.polynomial.chebyshev": {
        DIFFERENTIABLE: """
            Chebyshev cheb2poly chebadd chebcompanion chebder chebdiv chebfit chebfromroots
            chebgrid2d chebgrid3d chebint chebinterpolate chebline chebmul chebmulx chebpow
            chebroots chebsub chebtrim chebval chebval2d chebval3d chebvalnd chebvander chebvander2d
            chebvander3d chebweight poly2cheb
        """,
        WITHOUT: "chebgauss chebpts1 chebpts2",
        OUTSIDE: "chebdomain chebone chebx chebzero",
    },
    "np.polynomial.legendre": {
        DIFFERENTIABLE: """
            Legendre leg2poly legadd legcompanion legder legdiv legfit legfromroots leggrid2d
            leggrid3d legint legline legmul legmulx legpow legroots legsub legtrim legval legval2d
            legval3d legvalnd legvander legvander2d legvander3d legweight poly2leg
        """,
        WITHOUT: "leggauss",
        OUTSIDE: "legdomain legone legx legzero",
    },
    "np.polynomial.hermite": {
        DIFFERENTIABLE: """
            Hermite herm2poly hermadd hermcompanion hermder hermdiv hermfit hermfromroots
            hermgrid2d hermgrid3d hermint hermline hermmul hermmulx hermpow hermroots hermsub
            hermtrim hermval hermval2d hermval3d hermvalnd hermvander hermvander2d hermvander3d
            hermweight
            poly2herm
        """,
        WITHOUT: "hermgauss",
        OUTSIDE: "hermdomain hermone hermx hermzero",
    },
    "np.polynomial.hermite_e": {
        DIFFERENTIABLE: """
            HermiteE herme2poly hermeadd hermecompanion hermeder hermediv hermefit hermefromroots
            hermegrid2d hermegrid3d hermeint hermeline hermemul hermemulx hermepow hermeroots
            hermesub hermetrim hermeval hermeval2d hermeval3d hermevalnd hermevander hermevander2d
            hermevander3d hermeweight poly2herme
        """,
        WITHOUT: "hermegauss",
        OUTSIDE: "hermedomain hermeone hermex hermezero",
    },
    "np.polynomial.laguerre": {
        DIFFERENTIABLE: """
            Laguerre lag2poly lagadd lagcompanion lagder lagdiv lagfit lagfromroots laggrid2d
            laggrid3d lagint lagline lagmul lagmulx lagpow lagroots lagsub lagtrim lagval lagval2d
            lagval3d lagvalnd lagvander lagvander2d lagvander3d lagweight poly2lag
        """,
        WITHOUT: "laggauss",
        OUTSIDE: "lagdomain lagone lagx lagzero",
    },
    "ndarray": {
        DIFFERENTIABLE: """
            T astype choose clip compress conj conjugate copy cumprod cumsum diagonal dot fill
            flat flatten imag item mT max mean min partition prod put ravel real repeat reshape
            resize shape sort squeeze std sum swapaxes take to_device tolist trace transpose var
            view
        """,
        STEPS: "round",
        DISCRETE: """
            all any argmax argmin argpartition argsort base device dtype flags itemsize nbytes
            ndim nonzero searchsorted size strides
        """,
        REFUSED: """
            byteswap ctypes data dump dumps getfield setfield setflags tobytes tofile
        """,
    },
    "ufunc": {
        DIFFERENTIABLE: "accumulate at outer reduce reduceat",
        OUTSIDE: "identity nargs nin nout ntypes resolve_dtypes signature types",
    },
}
"""The names of each module and class, by what becomes of them. Scalar types are left out."""

SHAPED: Mapping[str, str] = {
    "np": "arange argwhere compress extract flatnonzero histogram_bin_edges intersect1d nonzero "
    "place roots setdiff1d setxor1d trim_zeros union1d unique unique_all unique_counts "
    "unique_inverse unique_values",
}
"""Names of functions whose result has a shape that values decide."""

_WHY: Mapping[str, str] = {
    "asmatrix bmat matrix": (
        "`np.matrix` computes by rules of its own: `np.asarray`, `np.block`, with `@`"
    ),
    "ma": (
        "masked arrays compute by rules of their own: `np.where(mask, 0.0, x)`, or the `nan` "
        "functions"
    ),
    "byte_bounds frombuffer from_dlpack memmap nested_iters": (
        "it reads memory, which a traced array has none of: `sliding_window_view`, indexing, "
        "`np.nditer`"
    ),
    "save savetxt savez savez_compressed": (
        "it writes plain numbers to a file: `wg.stop_gradient(x)`"
    ),
    "base_repr binary_repr format_float_positional format_float_scientific": (
        "it writes a plain number as text: `wg.stop_gradient(x)`"
    ),
    "bitwise_count packbits unpackbits": "it is about bits of integers, which have no derivative",
    "busday_count busday_offset busdaycalendar datetime_as_string datetime_data is_busday isnat": (
        "it is about dates, which have no derivative"
    ),
    "char chararray rec recarray record strings": "it is about text or records, not numbers",
    "random": "samples have no derivative by themselves: `loc + scale * rng.standard_normal()`",
    "byteswap ctypes data dump dumps getfield setfield setflags tobytes tofile": (
        "it reads or changes memory, which a traced array has none of"
    ),
}
"""Why names are refused, and what to write."""

_REASONS = {name: why for names, why in _WHY.items() for name in names.split()}


def reason(name: str) -> str:
    """Why a name is refused. Raises ``KeyError`` for a name that is not."""
    return _REASONS[name]


REASONS.update(_REASONS)


def _listed(names: str) -> str:
    text = ", ".join(f"`{name}`" for name in names.split())
    return "\n".join(textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False))


def _refused(names: str) -> list[str]:
    lines = ["| name | why |", "|---|---|"]
    groups: dict[str, list[str]] = {}
    for name in names.split():
        groups.setdefault(reason(name), []).append(f"`{name}`")
    return lines + [f"| {', '.join(group)} | {why} |" for why, group in groups.items()]


def _beside_peers() -> list[str]:
    """The section on how others do on the same names."""
    total, peers = sum(MEASURED.values()), list(LACKING)
    lines = [
        "",
        "## Beside JAX and autograd",
        "",
        f"Of {total} names that are differentiable or constant between steps, so many have a "
        "gradient that equals",
        "central differences of NumPy's function. One call of each was tried, the same for all, "
        "with `np` for",
        f"NumPy, `jax.numpy` and `autograd.numpy` ({WHEN}). JAX's arrays",
        "cannot be written to, so that `put`, `copyto` and their kin do not count there; neither "
        "of the two has",
        "`np.polynomial`.",
        "",
        f"| | names | wengert | {' | '.join(peers)} |",
        f"|---|{'---|' * (2 + len(peers))}",
    ]
    sums = [0] * len(peers)
    for home, names in MEASURED.items():
        row = [names - _lacking(peer, home) for peer in peers]
        sums = [one + other for one, other in zip(sums, row, strict=True)]
        lines.append(f"| `{home}` | {names} | {names} | {' | '.join(map(str, row))} |")
    lines.append(f"| all | {total} | {total} | {' | '.join(map(str, sums))} |")
    return lines


def _lacking(peer: str, home: str) -> int:
    names = LACKING[peer].get(home, "")
    return MEASURED[home] if names == "all" else len(names.split())


def page() -> str:
    """The page of the documentation, in Markdown."""
    lines = [
        "# NumPy, name by name",
        "",
        "What becomes of each public name of NumPy's when it is given a traced value. The page is "
        "made from",
        "the table in `src/wengert/functions/coverage.py`; a test holds that no name is missing.",
        "",
        *(f"- **{kind}**: {text}." for kind, text in ABOUT.items()),
        "",
        "Under `vmap`, and in the bodies of loops and branches, values are not known. There a "
        "shape cannot",
        "depend on them, and these are refused (the functions of polynomials too where NumPy "
        "leaves out",
        "leading zeros):",
        "",
        _listed(SHAPED["np"]),
        *_beside_peers(),
    ]
    for home, groups in TABLE.items():
        lines += ["", f"## {home}"]
        for kind, names in groups.items():
            lines += ["", f"### {kind}", ""]
            lines += _refused(names) if kind == REFUSED else [_listed(names)]
    return "\n".join(lines) + "\n"
