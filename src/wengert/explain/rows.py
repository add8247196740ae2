"""What an explanation holds: the Wengert list as rows of data, apart from how they are shown.

Formulas are plain text in which ``x_bar`` is the adjoint and ``x_dot`` the tangent of ``x``; the
renderers (``text``, ``html``, ``draw``) put the signs of mathematics in their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..program import Array, Type

if TYPE_CHECKING:
    from .graph import Graph

__all__ = ["Contribution", "Explanation", "Mode", "Row"]

Mode: TypeAlias = Literal["forward", "reverse"]


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """What one equation adds to the adjoint of one of its operands.

    ``source`` names the result of the equation (the first that matters, if it has several; it is
    empty for the adjoint that the sweep starts with), ``formula`` says how the amount comes about,
    as ``t1_bar * y``.
    """

    source: str
    formula: str
    amount: Array


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One variable of the list: an input, or the result of an equation.

    ``operation`` is the primitive's name, empty for an input. ``operands`` are the names of the
    variables that it reads. ``results`` says which results of the function it is, if any.
    ``tangent`` and ``adjoint`` are None where their sweep was not made, and for a variable that
    can have none (an integer, a truth value, a constant). ``contributions`` are those of the
    equations that read the variable, in their order; their sum is the adjoint.
    """

    name: str
    operation: str
    formula: str
    operands: tuple[str, ...]
    value: Array
    results: tuple[str, ...] = ()
    tangent: Array | None = None
    tangent_formula: str = ""
    adjoint: Array | None = None
    contributions: tuple[Contribution, ...] = ()

    @property
    def is_input(self) -> bool:
        """Whether this is a part of the function's arguments."""
        return not self.operation

    @property
    def type(self) -> Type:
        """Shape and dtype of the value."""
        return Type.of(self.value)


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The Wengert list of one call, with the forward and the reverse sweep through it.

    ``rows`` are the inputs and then the equations in the order of evaluation; ``e["t1"]`` is the
    row of that name. Prints as aligned text, shows itself in Jupyter as a table, and in rich.
    """

    title: str
    rows: tuple[Row, ...]
    results: tuple[tuple[str, Array], ...]
    forward: bool
    reverse: bool

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{name!r} is not among {', '.join(row.name for row in self.rows)}")

    def graph(self) -> Graph:
        """The computation graph: a node for each row, an edge from each operand to its reader."""
        from .graph import graph_of

        return graph_of(self)

    def text(self, width: int = 80, digits: int = 6, *, ascii: bool = False) -> str:  # noqa: A002
        """The table and the sums as plain text of at most ``width`` columns.

        Numbers have ``digits`` significant digits. With ``ascii`` the adjoint of x is written
        ``x_bar`` and its tangent ``x_dot``, for places where other signs cannot be shown.
        """
        from .text import render

        return render(self, width, digits, ascii=ascii)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def __rich__(self) -> Any:
        from .terminal import renderable

        return renderable(self)

    def _repr_html_(self) -> str:
        from .html import render

        return render(self)
