"""Derivative rules of the user's own: ``custom_jvp``, ``custom_vjp`` and ``stop_gradient``.

A function with its own rule is one equation to every trace. ``custom_jvp`` alone gives both modes
(reverse is the transpose of the rule) and all orders (the rule is NumPy and is differentiated
like anything else); ``custom_vjp`` alone gives them too, the JVP being the transpose of the VJP.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np

from . import tree
from .calls import result_leaf
from .derivatives import vmap
from .errors import ShapeError, UnknownDerivativeError
from .kinds import Nonlinear
from .primitive import Operand, Params, Traced, operand_type
from .primitives.logic import stop_gradient as stop_gradient_primitive
from .primitives.shape import broadcast
from .program import Array, Type
from .recorder import Recorder, record
from .trace import joined
from .transforms.tape import transpose_linear

__all__ = ["custom_jvp", "custom_vjp", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """The value of ``x``, a number, an array or a tree of them, as a constant of differentiation.

    Example:
        >>> import wengert as wg
        >>> wg.grad(lambda x: x * wg.stop_gradient(x))(3.0)
        np.float64(3.0)
    """
    return tree.map_leaves(_constant, x)


def _constant(leaf: Any) -> Any:
    """A plain value where there is one, which can be stored, printed and given to ``float``."""
    leaf = joined(leaf)
    if not isinstance(leaf, Traced):
        return leaf
    while isinstance(leaf, Traced) and not isinstance(leaf._trace, Recorder):
        leaf = leaf._value
    if isinstance(leaf, Traced):
        return stop_gradient_primitive.bind(leaf)
    return leaf.copy()


def _split(args: Sequence[Any], static: Sequence[int]) -> tuple[list[Any], list[Any]]:
    """The arguments without the static ones, and the static ones in order."""
    places = {place % len(args) for place in static}
    moving = [arg for i, arg in enumerate(args) if i not in places]
    return moving, [args[i] for i in sorted(places)]


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _positional(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
    """All arguments in the order of the parameters, so that a rule sees those by keyword too."""
    if not kwargs and len(args) == len(function.parameters):
        return args
    if function.signature is None:
        if kwargs:
            raise ShapeError(
                f"{function.__name__} has a rule of its own and no signature to sort "
                f"{', '.join(kwargs)} by",
                remedy="all arguments by position",
            )
        return args
    bound = function.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise ShapeError(
            f"{function.__name__} has a rule of its own, and {', '.join(bound.kwargs)} can be "
            "given by keyword only",
            remedy="parameters that can be given by position",
        )
    return bound.args


def _merge(moving: Sequence[Any], fixed: Sequence[Any], static: Sequence[int]) -> list[Any]:
    count = len(moving) + len(fixed)
    places = sorted(place % count for place in static)
    merged = list(moving)
    for place, value in zip(places, fixed, strict=True):
        merged.insert(place, value)
    return merged


class _Call:
    """One call of a function with its own rule: what the equation in a Program refers to."""

    def __init__(self, function: Any, spec: tree.Spec, fixed: Sequence[Any]) -> None:
        self.function = function
        self.spec = spec
        self.fixed = fixed
        self.out_spec: tree.Spec | None = None

    def arguments(self, leaves: Sequence[Array]) -> list[Any]:
        """All arguments of the user's function, from the leaves of those that move."""
        moving = tree.unflatten(self.spec, leaves)
        return _merge(moving, self.fixed, self.function.nondiff_argnums)

    def outputs(self, result: Any) -> tuple[Array, ...]:
        """The leaves of a result."""
        leaves, self.out_spec = tree.flatten(result)
        return tuple(result_leaf(leaf) for leaf in leaves)

    def like_outputs(self, result: Any, what: str) -> tuple[Array, ...]:
        """The leaves of what must have the structure of the result."""
        assert self.out_spec is not None
        return tuple(map(result_leaf, tree.flatten_like(self.out_spec, result, what)))

    def run(self, *leaves: Array) -> tuple[Array, ...]:
        """The function itself."""
        return self.outputs(self.function.function(*self.arguments(leaves)))

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", "function")


class _BatchedCall:
    """The same for a batch in front of every leaf."""

    def __init__(self, call: Any) -> None:
        self.call = call

    def run(self, *leaves: Array) -> tuple[Array, ...]:
        return tuple(vmap(self.call.run)(*leaves))

    def __repr__(self) -> str:
        return repr(self.call)


def _zero(leaf: Array) -> Array:
    type = Type.of(leaf)
    return type.zeros() if type.differentiable else np.zeros(type.shape)[()]


class _Custom(Nonlinear):
    """A call of a function with its own rule, as a primitive; ``call`` says which."""

    batched_call: type[_BatchedCall]

    def __init__(self, name: str, evaluate: Callable[..., Any], batched: Any, **facts: Any) -> None:
        super().__init__(
            name, evaluate, types=self._types, jvps=(), batch=self._batched, multiple=True, **facts
        )
        self.batched = batched

    @staticmethod
    def _types(*operands: Operand, call: Any) -> tuple[Type, ...]:
        program, _ = record(call.run, [operand_type(operand) for operand in operands])
        return program.output_types

    def _batched(
        self, size: int, operands: Sequence[Array], batched: Sequence[bool], call: Any
    ) -> Any:
        lifted = [
            o if b else broadcast.bind(o, shape=(size, *np.shape(o)))
            for o, b in zip(operands, batched, strict=True)
        ]
        return self.bind(*lifted, call=self.batched(call))


# -- custom_jvp ------------------------------------------------------------------------------------


class _JvpCall(_Call):
    def tangents(self, primals: Sequence[Array], tangents: Sequence[Array]) -> tuple[Array, ...]:
        """The user's rule: the tangents of the outputs."""
        rule = self.function.rule
        pair = rule(
            *self.fixed,
            tuple(tree.unflatten(self.spec, primals)),
            tuple(tree.unflatten(self.spec, tangents)),
        )
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ShapeError("a custom_jvp rule must return a pair (result, tangent)")
        result, tangent = pair
        self.outputs(result)
        return self.like_outputs(tangent, "the tangent that a custom_jvp rule returned")


class _BatchedJvpCall(_BatchedCall):
    def tangents(self, primals: Sequence[Array], tangents: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(vmap(self.call.tangents)(tuple(primals), tuple(tangents)))


class _CustomJvp(_Custom):
    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        return tuple(operands), ans

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        operands, _ = saved
        full = [
            _zero(operand) if tangent is None else tangent
            for operand, tangent in zip(operands, tangents, strict=True)
        ]
        return params["call"].tangents(operands, full)


_custom_jvp_call = _CustomJvp(
    "custom_jvp", lambda *leaves, call: call.run(*leaves), _BatchedJvpCall
)


class custom_jvp:
    """Decorator: a function whose derivative is a rule of your own, in every mode and order.

    ``defjvp(rule)`` sets it: ``rule(primals, tangents)`` returns ``(result, tangent)``, both of the
    structure of the result, the tangent linear in ``tangents``. Arguments in ``nondiff_argnums``
    are passed to the rule first, as they are.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.custom_jvp
        ... def log1pexp(x):
        ...     return np.log1p(np.exp(x))
        >>> @log1pexp.defjvp
        ... def log1pexp_jvp(primals, tangents):
        ...     (x,), (x_dot,) = primals, tangents
        ...     return log1pexp(x), x_dot / (1 + np.exp(-x))
        >>> wg.grad(log1pexp)(0.0), wg.grad(wg.grad(log1pexp))(0.0)
        (np.float64(0.5), np.float64(0.25))
    """

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        self.function = function
        self.nondiff_argnums = tuple(nondiff_argnums)
        self.rule: Callable[..., Any] | None = None
        self.__name__: str = getattr(function, "__name__", "function")
        self.signature = _signature(function)
        self.parameters = () if self.signature is None else tuple(self.signature.parameters)
        update_wrapper(self, function)

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule; returns it, so that this can be a decorator."""
        self.rule = rule
        return rule

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Set a rule for each argument: ``jvp(tangent, result, *primals)``, None for zero."""

        def rule(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
            result = self(*primals)
            total: Any = np.zeros_like(result)
            for jvp, tangent in zip(jvps, tangents, strict=True):
                if jvp is not None:
                    total = total + jvp(tangent, result, *primals)
            return result, total

        self.rule = rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.rule is None:
            raise UnknownDerivativeError(
                f"{self.__name__} is a custom_jvp function without a rule",
                remedy=f"@{self.__name__}.defjvp before a function (primals, tangents)",
            )
        return _apply(_custom_jvp_call, _JvpCall, self, _positional(self, args, kwargs))


def _apply(primitive: _Custom, kind: type[_Call], function: Any, args: Sequence[Any]) -> Any:
    moving, fixed = _split(args, function.nondiff_argnums)
    leaves, spec = tree.flatten(tuple(moving))
    if not any(isinstance(leaf, Traced) for leaf in leaves):
        return function.function(*args)
    call = kind(function, spec, fixed)
    outputs = primitive.bind(*map(result_leaf, leaves), call=call)
    return tree.unflatten(call.out_spec, outputs)


# -- custom_vjp ------------------------------------------------------------------------------------


class _Evaluated(tuple[Any, ...]):
    """The outputs of a forward pass, with its residuals beside them."""

    residuals: Any


class _VjpCall(_Call):
    def forward(self, *leaves: Array) -> _Evaluated:
        """The user's forward pass."""
        pair = self.function.fwd(*self.arguments(leaves))
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ShapeError("a custom_vjp forward pass must return a pair (result, residuals)")
        result, residuals = pair
        found = _Evaluated(self.outputs(result))
        found.residuals = residuals
        return found

    def cotangents(self, residuals: Any, cotangents: Sequence[Array]) -> list[Array | None]:
        """The user's backward pass: the cotangents of the leaves of the arguments."""
        given = tree.unflatten(self.out_spec, cotangents)
        found = self.function.bwd(*self.fixed, residuals, given)
        template = tree.unflatten(self.spec, list(range(self.spec.num_leaves)))
        if not isinstance(found, (tuple, list)) or len(found) != len(template):
            raise ShapeError(
                "a custom_vjp backward pass must return a tuple with a cotangent for each argument"
            )
        terms: list[Array | None] = []
        for argument, cotangent in zip(template, found, strict=True):
            leaves, spec = tree.flatten(argument)
            if cotangent is None:
                terms.extend([None] * len(leaves))
            else:
                terms.extend(
                    map(result_leaf, tree.flatten_like(spec, cotangent, "a custom_vjp cotangent"))
                )
        return terms


class _BatchedVjpCall(_BatchedCall):
    def forward(self, *leaves: Array) -> _Evaluated:
        found = _Evaluated(self.run(*leaves))
        found.residuals = leaves
        return found

    def cotangents(self, residuals: Any, cotangents: Sequence[Array]) -> list[Array]:
        def one(leaves: Any, given: Any) -> list[Array]:
            terms = self.call.cotangents(self.call.forward(*leaves).residuals, given)
            return [
                _zero(leaf) if term is None else term
                for leaf, term in zip(leaves, terms, strict=True)
            ]

        return vmap(one)(tuple(residuals), tuple(cotangents))


class _CustomVjp(_Custom):
    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        known = isinstance(ans, _Evaluated)
        residuals = (ans.residuals,) if known else None
        return tuple(operands), ans, residuals

    def pull(
        self, cotangents: Sequence[Array | None], saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        operands, ans, residuals = saved
        call = params["call"]
        (kept,) = residuals or (call.forward(*operands).residuals,)
        full = [_zero(a) if ct is None else ct for a, ct in zip(ans, cotangents, strict=True)]
        found = call.cotangents(kept, full)
        for operand, term in zip(operands, found, strict=True):
            if term is not None and np.shape(term) != np.shape(operand):
                raise ShapeError(
                    f"a custom_vjp backward pass returned a cotangent of shape {np.shape(term)} "
                    f"for an argument of shape {np.shape(operand)}"
                )
        return found

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        operands, ans, residuals = saved
        moving = [i for i, tangent in enumerate(tangents) if tangent is not None]

        def pulled(*cotangents: Array) -> list[Array]:
            found = self.pull(cotangents, (operands, ans, residuals), (), params)
            return [_zero(operands[i]) if (f := found[i]) is None else f for i in moving]

        types = [Type.of(a) for a in ans]
        found = transpose_linear(pulled, types, [tangents[i] for i in moving])
        return tuple(type.zeros() if f is None else f for type, f in zip(types, found, strict=True))


def _evaluate_forward(*leaves: Array, call: Any) -> _Evaluated:
    return call.forward(*leaves)


_custom_vjp_call = _CustomVjp("custom_vjp", _evaluate_forward, _BatchedVjpCall)


class custom_vjp:
    """Decorator: a function whose reverse-mode rule is your own.

    ``defvjp(fwd, bwd)`` sets it: ``fwd(*args)`` returns ``(result, residuals)``, and
    ``bwd(residuals, cotangent)`` a tuple with a cotangent for each argument (None for zero).
    Arguments in ``nondiff_argnums`` are passed to ``bwd`` first. Forward mode is the transpose of
    ``bwd``, so a function with a VJP can also be used under ``jvp`` and ``hessian``.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.custom_vjp
        ... def clipped(x):
        ...     return x
        >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
        >>> wg.grad(lambda x: clipped(x) ** 2)(5.0)
        np.float64(1.0)
    """

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        self.function = function
        self.nondiff_argnums = tuple(nondiff_argnums)
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None
        self.__name__: str = getattr(function, "__name__", "function")
        self.signature = _signature(function)
        self.parameters = () if self.signature is None else tuple(self.signature.parameters)
        update_wrapper(self, function)

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the forward and the backward pass."""
        self.fwd = fwd
        self.bwd = bwd

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.bwd is None:
            raise UnknownDerivativeError(
                f"{self.__name__} is a custom_vjp function without a rule",
                remedy=f"{self.__name__}.defvjp(fwd, bwd)",
            )
        return _apply(_custom_vjp_call, _VjpCall, self, _positional(self, args, kwargs))
