"""Native code for Programs: ``build(program)``. LLVM is imported when it is first needed."""

from .native import Native, build

__all__ = ["Native", "build"]
