"""Native code for Programs: ``build(program)``. LLVM is imported when it is first needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .native import Native, build

__all__ = ["Native", "build"]


def __getattr__(name: str) -> Any:
    """The compiler is imported when it is used: its foundations alone serve others too."""
    if name in __all__:
        return getattr(import_module(".native", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
