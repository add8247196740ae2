"""Tracing: the values that stand in for arrays, and NumPy's protocols.

A ``Tracer`` is a handle that belongs to a trace. NumPy hands every ufunc and function that meets
one over to it (``__array_ufunc__``, ``__array_function__``), and the trace does what it is for:
write an equation into a Program (``recorder``), keep residuals (``transforms.tape``), carry
a tangent along (``transforms.dual``).

Start reading at ``base.Trace``; ``number`` and ``array`` are what the user's function is given, and
``protocols`` is how NumPy's functions find ours.
"""

from .array import (
    ArrayTracer,
    Flat,
    PlacedView,
    ReadOnlyArgument,
    ReadOnlyView,
    View,
    as_array,
    as_number,
    as_view,
    lay,
    ordered,
    snapshot,
    whole,
    wrap,
)
from .attributes import Flags
from .base import (
    GATHERED,
    ForeignValueError,
    Trace,
    alike,
    all_concrete,
    concrete,
    knowable,
    known,
    layout,
    perhaps,
)
from .boxed import complex_in_objects
from .filled import Fillable, FilledArray, fill, filled_before, handle, unfilled
from .foreign import refusal_of
from .held import HELD, Hold, Holding
from .number import Slot, Tracer, class_of, whole_number
from .protocols import (
    CREATION,
    FUNCTIONS,
    REASONS,
    UFUNC_METHODS,
    WRITERS,
    check_kind,
    discrete,
    implements,
    joined,
    numeric,
    plain,
    store,
    strong,
)
from .python_number import PythonNumber, as_python_number, is_python_number, python_number

__all__ = [
    "CREATION",
    "FUNCTIONS",
    "GATHERED",
    "HELD",
    "REASONS",
    "UFUNC_METHODS",
    "WRITERS",
    "ArrayTracer",
    "Fillable",
    "FilledArray",
    "Flags",
    "Flat",
    "ForeignValueError",
    "Hold",
    "Holding",
    "PlacedView",
    "PythonNumber",
    "ReadOnlyArgument",
    "ReadOnlyView",
    "Slot",
    "Trace",
    "Tracer",
    "View",
    "alike",
    "all_concrete",
    "as_array",
    "as_number",
    "as_python_number",
    "as_view",
    "check_kind",
    "class_of",
    "complex_in_objects",
    "concrete",
    "discrete",
    "fill",
    "filled_before",
    "handle",
    "implements",
    "is_python_number",
    "joined",
    "knowable",
    "known",
    "lay",
    "layout",
    "numeric",
    "ordered",
    "perhaps",
    "plain",
    "python_number",
    "refusal_of",
    "snapshot",
    "store",
    "strong",
    "unfilled",
    "whole",
    "whole_number",
    "wrap",
]
