"""``wg.jit``, as users call it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, overload

from ..calls import check_callable
from .jitted import Jitted

__all__ = ["jit"]


@overload
def jit(
    f: Callable[..., Any],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    wait: bool = False,
) -> Jitted: ...


@overload
def jit(
    f: None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    wait: bool = False,
) -> Callable[[Callable[..., Any]], Jitted]: ...


def jit(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    wait: bool = False,
) -> Any:
    """``f``, compiled to native code while it is used; results are those of ``f``.

    The first call with arguments of a kind (nesting, shapes, dtypes) runs ``f`` and records what it
    computes; that is compiled in the background, and later calls run the native code. Control flow
    that depends on values is followed: a call that takes another branch is recorded anew. Arguments
    that are no numbers or arrays, and those named by ``static_argnums`` or ``static_argnames``,
    count by value and must be hashable. With ``wait`` the first call returns when all is compiled.

    Where ``f`` would return a Python float, an ``np.float64`` comes back, and arrays that share no
    memory. Printing and other effects happen only while recording; what ``f`` reads from variables
    and objects outside of it is compared at each call. Compiled code gives no floating-point
    warnings. What cannot be recorded runs as without ``jit``, with one
    ``wengert.errors.JitWarning``. Derivatives go inside (``jit(grad(f))``, the fastest) or around.

    ``f.lower(*args)`` is the Program, ``f.report()`` what is compiled, ``f.wait()`` waits for it,
    ``f.clear()`` forgets it, ``f.export(*args)`` is a C function. The environment variable
    ``WENGERT_JIT=0`` turns ``jit`` off, ``WENGERT_JIT_WAIT=1`` makes every call wait, and
    ``WENGERT_TARGET=x86-64-v3`` compiles for that level and not for this very processor. Raises
    ``DtypeError`` for a static argument that cannot be hashed, and for a name in
    ``static_argnames`` that is no parameter; ``ShapeError`` for a position that is none;
    ``CompileError`` for a target that there is not, or that this processor cannot run.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.jit
        ... def f(x):
        ...     return np.sum(x**2) if x[0] > 0 else np.sum(x)
        >>> f(np.array([1.0, 2.0])), f(np.array([-1.0, 2.0]))
        (np.float64(5.0), np.float64(1.0))
    """
    argnums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    if "WENGERT_TARGET" in os.environ:
        from ..compile.machine import check_target

        check_target()
    if f is None:
        return lambda function: Jitted(function, argnums, names, wait)
    check_callable(f, "jit")
    return Jitted(f, argnums, names, wait)
