"""Primitives that are neither elementwise nor linear, and declare their tangents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import UnknownDerivativeError
from ..primitive import Operand, Params, Primitive, Rule
from ..program import Array, Type
from .rules import add_tangents

__all__ = ["Nonlinear", "nonlinear"]


class Nonlinear(Primitive):
    """Neither elementwise nor linear (det, cholesky, a maximum along an axis, ...).

    ``jvps[i](x_dot, ans, *operands, **params)`` is the tangent that operand i contributes, and
    must be linear in ``x_dot``. Reverse mode transposes it. Where that is slow and the transpose
    is short, ``transposes[i](cotangent, ans, *operands, **params)`` may spell it out; the
    registry's test holds the two together. Of several results the rule is given the tuple of
    cotangents (None is zero). A rule that returns ``NotImplemented`` leaves operands of their
    kind to the transposed JVP. Operands may be fewer than rules.
    """

    def __init__(
        self,
        name: str,
        evaluate: Callable[..., Any],
        types: Callable[..., Any],
        jvps: Sequence[Rule | None] | int,
        *,
        batch: Rule,
        transposes: Sequence[Rule] | None = None,
        multiple: bool = False,
        **facts: Any,
    ) -> None:
        super().__init__(name, evaluate, **facts)
        self.type_rule = types
        self.batch_rule = batch
        self.flat = isinstance(jvps, int)
        self.jvps = () if isinstance(jvps, int) else tuple(jvps)
        self.transposes = transposes
        self.multiple = multiple

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        found = self.type_rule(*operands, **params)
        return tuple(found) if self.multiple else (found,)

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        return self.batch_rule(size, operands, batched, **params)

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        for place, node in enumerate(active):
            if node is not None and (place >= len(self.jvps) or self.jvps[place] is None):
                raise UnknownDerivativeError(
                    f"the derivative of {self.name} with respect to its operand number {place} "
                    "is not known",
                    remedy="wg.stop_gradient(...) around that operand if it is meant to be "
                    "constant, or wg.custom_jvp with a rule of your own (docs/custom.md)",
                )
        return tuple(operands), ans

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        operands, ans = saved
        total: Any = None
        for tangent, rule in zip(tangents, self.jvps, strict=False):
            if tangent is None:
                continue
            assert rule is not None
            term = rule(tangent, ans, *operands, **params)
            if not self.multiple:
                total = add_tangents(total, term)
            elif total is None:
                total = term
            else:
                total = tuple(map(add_tangents, total, term))
        return total

    def pull(
        self, cotangents: Sequence[Array | None], saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None] | None:
        """The operands' cotangents from the results'; None where ``push`` is to be transposed."""
        if self.transposes is None:
            return None
        operands, ans = saved
        given = tuple(cotangents) if self.multiple else cotangents[0]
        found: list[Array | None] = []
        for place, rule in zip(active, self.transposes, strict=False):
            term = None if place is None else rule(given, ans, *operands, **params)
            if term is NotImplemented:
                return None
            found.append(term)
        return found


def nonlinear(name: str, evaluate: Callable[..., Any], **facts: Any) -> Nonlinear:
    """Declare a primitive whose derivative is given as a JVP; see ``Nonlinear``."""
    return Nonlinear(name, evaluate, **facts)
