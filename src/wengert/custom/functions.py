"""``custom_jvp`` and ``custom_vjp``: functions with derivative rules of the user's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from functools import update_wrapper
from types import MethodType
from typing import Any

import numpy as np

from .. import tree
from ..calls import signature_of
from ..errors import ShapeError
from ..primitive import Traced
from ..verbs import place_of
from .results import Memory
from .user import UserCall, alike_of, all_plain

__all__ = ["custom_jvp", "custom_vjp"]


def _positional(function: CustomFunction, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
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
    named = [name for name in kwargs if name not in function.positional]
    bound.apply_defaults()
    if named:
        raise ShapeError(
            f"{function.__name__} has a rule of its own, and {', '.join(named)} can be given by "
            "keyword only",
            remedy="parameters that can be given by position",
        )
    return bound.args


class CustomFunction:
    """What ``custom_jvp`` and ``custom_vjp`` have in common: a function with rules of its own."""

    def __new__(
        cls,
        function: Callable[..., Any] | None = None,
        nondiff_argnums: int | Sequence[int] = (),
        *,
        result: Any = None,
    ) -> Any:
        if function is None:
            return functools.partial(cls, nondiff_argnums=nondiff_argnums, result=result)
        return super().__new__(cls)

    def __init__(
        self,
        function: Callable[..., Any] | None = None,
        nondiff_argnums: int | Sequence[int] = (),
        *,
        result: Any = None,
    ) -> None:
        assert function is not None
        self.binding = type(function) if isinstance(function, (classmethod, staticmethod)) else None
        if isinstance(function, (classmethod, staticmethod)):
            function = function.__func__
        self.function = function
        single = isinstance(nondiff_argnums, int)
        self.nondiff_argnums = (nondiff_argnums,) if single else tuple(nondiff_argnums)
        self.result = result
        self.rule: Callable[..., Any] | None = None
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None
        self.batch_rule: Callable[..., Any] | None = None
        self.memory = Memory()
        # Of a ufunc the further arguments are options.
        self.signature = None if isinstance(function, np.ufunc) else signature_of(function)
        parameters = {} if self.signature is None else self.signature.parameters
        self.parameters = tuple(parameters)
        self.positional = {n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD}
        self.__name__: str = getattr(function, "__name__", "function")
        update_wrapper(self, function)

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the forward rule; returns it, so that this can be a decorator."""
        self.memory.clear()
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

        self.defjvp(rule)

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the reverse rule: the forward and the backward pass."""
        self.memory.clear()
        self.fwd = fwd
        self.bwd = bwd

    def defvmap(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the function for a batch; returns it, so that this can be a decorator.

        It is given the arguments, of which every array has the batch axis in front, and returns a
        result of which every array has it. Without it the function is traced, or called in a loop.
        """
        self.batch_rule = rule
        return rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs and len(args) == len(self.parameters):
            if all_plain(args):
                return _its_own(self.function(*args), args)
            call = alike_of(self, args)
            if call is not None:
                return call.bind()
        leaves = tree.flatten((args, kwargs) if kwargs else args)[0]
        if not any(map(_is_traced, leaves)):
            return _its_own(self.function(*args, **kwargs), leaves)
        return UserCall(self, _positional(self, args, kwargs)).bind()

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if self.binding is classmethod:
            return MethodType(self, owner)
        return (
            self if instance is None or self.binding is staticmethod else MethodType(self, instance)
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__name__}>"

    def __reduce__(self) -> Any:
        place = place_of(self)
        if place:
            return place
        rules = (self.rule, self.fwd, self.bwd, self.batch_rule)
        return _again, (type(self), self.function, self.nondiff_argnums, self.result, rules)

    def __jit_token__(self) -> Hashable:
        """In the keys of jitted functions it counts as itself, with its rules."""
        return "custom", id(self), id(self.rule), id(self.fwd), id(self.bwd), id(self.batch_rule)

    def __jit_parts__(self) -> list[Any]:
        """The functions whose variables a jitted function that calls it depends on."""
        return [self.function, self.rule, self.fwd, self.bwd, self.batch_rule, self.result]


def _is_traced(leaf: Any) -> bool:
    if isinstance(leaf, Traced):
        return True
    if isinstance(leaf, np.ndarray) and leaf.dtype.hasobject:
        return any(isinstance(element, Traced) for element in leaf.flat)
    return False


def _its_own(result: Any, given: Sequence[Any]) -> Any:
    """The result, with copies of the arrays in it that lie in memory of the arguments.

    In a trace no result is a view of an argument: what is written into it must not be read there.
    """
    arrays = [leaf for leaf in given if type(leaf) is np.ndarray]
    if not arrays or type(result) is np.float64:
        return result
    if type(result) is np.ndarray and result.base is None and result.flags.owndata:
        owners = [a is not result and a.base is None and a.flags.owndata for a in arrays]
        if False not in owners:  # Memory has one owner.
            return result
    leaves, spec = tree.flatten(result)
    shared = [
        type(leaf) is np.ndarray and any(np.may_share_memory(leaf, array) for array in arrays)
        for leaf in leaves
    ]
    if not any(shared):
        return result
    pairs = zip(leaves, shared, strict=True)
    return tree.unflatten(spec, [x.copy(order="K") if alias else x for x, alias in pairs])


def _again(
    kind: type[CustomFunction],
    function: Callable[..., Any],
    nondiff_argnums: Sequence[int],
    result: Any,
    rules: Sequence[Any],
) -> CustomFunction:
    made: CustomFunction = kind(function, nondiff_argnums, result=result)
    made.rule, made.fwd, made.bwd, made.batch_rule = rules
    return made


class custom_jvp(CustomFunction):
    """Decorator: a function whose derivative is a rule of your own, in every mode and order.

    ``defjvp(rule)`` sets it: ``rule(primals, tangents)`` returns ``(result, tangent)``, both of the
    structure of the result, the tangent linear in ``tangents``. Arguments in ``nondiff_argnums``
    are passed to the rule first, as they are; a derivative with respect to one is an error.

    The function is called with plain values and never looked into, so its body may be anything.
    ``defvjp`` may give a reverse rule besides, as for ``custom_vjp``; without one reverse mode is
    the transpose of the rule. Where the result is needed before there are values (``vmap``, bodies
    of loops) and the body cannot be traced, its types come from an earlier call, from a call with
    sample values, or from ``result``: arrays and numbers in the structure of the result, of which
    only shape and dtype count, or a function that makes them from the arguments. ``defvmap(rule)``
    sets a function for batches, in place of a loop.

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


class custom_vjp(CustomFunction):
    """Decorator: a function whose reverse-mode rule is your own.

    ``defvjp(fwd, bwd)`` sets it: ``fwd(*args)`` returns ``(result, residuals)``, and
    ``bwd(residuals, cotangent)`` a tuple with a cotangent for each argument (None for zero).
    Arguments in ``nondiff_argnums`` are passed to ``bwd`` first. Forward mode is the transpose of
    ``bwd``, so a function with a VJP can also be used under ``jvp`` and ``hessian``; ``defjvp`` may
    give a forward rule besides. All else is as for ``custom_jvp``.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.custom_vjp
        ... def clipped(x):
        ...     return x
        >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
        >>> wg.grad(lambda x: clipped(x) ** 2)(5.0)
        np.float64(1.0)
    """
