"""Functions that are compiled while they are used.

A call is looked up by its key (``keys``); the paths of that key (``paths``) are tried from the last
one on; where none fits the function is traced (``run``) and the new path compiled in the
background (``execute``). Whatever cannot be traced is run as it is.
"""

from __future__ import annotations

import functools
import os
import types
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..calls import settled
from ..errors import GuardFailed, JitWarning
from ..forks import lock
from ..memory import protected_as
from ..program import Array, Program
from ..verbs import place_of
from .asked import Asked, Static
from .call import call
from .environment import Environment
from .execute import unbox
from .exported import exported
from .fast import shortcut
from .keys import Same, UnkeyableError
from .leaks import clear_caches, settle
from .node import users_level
from .outside import Outside, arrays
from .paths import TRACES, Path, Paths
from .report import count, report_text
from .run import Run, finish, traced_run
from .tracing import InlinedError, reason

if TYPE_CHECKING:
    from ..compile.export import Export

__all__ = ["Jitted"]

MOST = 256
"""Signatures that are kept for a function; the least recently used one is dropped."""

FIRST = 4
"""So many paths of a signature are compiled at once."""

CHANGES = 3
"""So many runs may change what is outside of the function, to fill a cache for example."""

AGAIN = 2
"""The others are compiled at their second use."""

OFTEN = 16
"""Every so many calls of a path it is put in front, as the one to try first."""


_OBJECTS = (
    "it asks something of np.array([...]) of numbers that differs while tracing, when that is an "
    "array of objects; wg.numpy.array([...]) is one of numbers"
)

_NOTICES: list[str] = []
"""That there is no compiler, once it has been said."""


def enabled() -> bool:
    """Whether the environment leaves ``jit`` on; ``WENGERT_JIT=0`` turns it off."""
    return os.environ.get("WENGERT_JIT", "1") != "0"


def _native(value: Array) -> Array:
    """An argument as a Program takes it: of native byte order, aligned."""
    if isinstance(value, np.ndarray) and not (value.dtype.isnative and value.flags.aligned):
        return protected_as(value.astype(value.dtype.newbyteorder("=")), value)
    return value


def _copy(value: Array) -> Array:
    """A copy of an array, read-only if that is; a number as it is."""
    return protected_as(value.copy("K"), value) if isinstance(value, np.ndarray) else value


_NUMBERS = frozenset({float, int, bool, complex})


def _number(value: Array) -> Array:
    """A Python number as NumPy's, and an array without axes as a scalar."""
    return unbox(np.asarray(value) if type(value) in _NUMBERS else value)


class Jitted:
    """A function under ``jit``. Calling it gives what the function gives."""

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_changes",
        "_fast",
        "_hits",
        "_lock",
        "_name",
        "_plain",
        "_signatures",
        "_static",
        "_surroundings",
        "_traces",
        "_unkeyable",
        "_warned",
        "function",
        "waits",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: Sequence[int] = (),
        static_argnames: Sequence[str] = (),
        wait: bool = False,
    ) -> None:
        self.function = function
        self.waits = wait
        self._fast: Callable[..., Any] = self._general
        self._signatures: dict[Any, Paths] = {}
        self._lock = lock()
        self._surroundings: Environment | None = None
        self._warned = False
        self._plain = ""
        self._traces = 0
        self._changes = 0
        self._unkeyable = 0
        self._hits = 0
        functools.update_wrapper(self, function, updated=())
        self._name: str = getattr(function, "__qualname__", type(function).__name__)
        self._static = Static(function, tuple(static_argnums), tuple(static_argnames))

    # -- calling ---------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._fast(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def _general(self, *args: Any, **kwargs: Any) -> Any:
        if self._plain or not enabled():
            return self._as_it_is(args, kwargs)
        try:
            asked, paths = self._met(args, kwargs)
        except InlinedError:
            return self._as_it_is(args, kwargs)
        except UnkeyableError as error:
            self._warn(str(error))
            self._unkeyable += error.outside
            if self._unkeyable > CHANGES:  # To find out takes time at each call.
                self._give_up_all(str(error))
            return self._as_it_is(args, kwargs)
        if paths.plain is not None or self._plain:
            return self._as_it_is(args, kwargs)
        values = [_native(value) for value in asked.inputs]
        if asked.traced:
            return self._differentiated(asked, paths, values)
        return self._run(asked, paths, values)

    def _as_it_is(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of the function itself."""
        return settled(self.function(*args, **kwargs))

    def _run(self, asked: Asked, paths: Paths, values: Sequence[Array]) -> Any:
        """Run the path that fits, or trace a new one."""
        numbers = [_number(value) for value in values]
        path = paths.recent
        reached = -1
        while path is not None:
            if not self._may_write(path, asked):
                return self._as_it_is(asked.args, asked.kwargs)
            try:
                outputs = path.executable.run(numbers)
            except GuardFailed as failure:
                # Each path comes further than the one before, unless their codes round differently.
                further = failure.index is not None and failure.index > reached
                reached = failure.index or 0
                path = paths.instead(path, failure.index, failure.value) if further else None
            except Exception:  # the function itself raises the right one
                return self._as_it_is(asked.args, asked.kwargs)
            else:
                self._hits += 1
                paths.touch(path)
                if path.executable.failure is not None:
                    self._complain(path)
                if path.calls == AGAIN:
                    path.executable.start(self.waits)
                if path.calls % OFTEN == 1:
                    self._shorten(path, asked)
                return finish(path, outputs, values, asked.inputs)
        return self._first(asked, paths, values)

    def _first(self, asked: Asked, paths: Paths, values: Sequence[Array]) -> Any:
        """Trace a path that has not been taken before; its run is this call."""
        outside = Outside(self._environment, [*asked.unfollowed, *asked.inputs])
        found, refusal = self._trace(asked, paths, values, outside)
        if found is None or not self._may_write(found.path, asked):
            outside.restore()
            result = self._as_it_is(asked.args, asked.kwargs)
            if refusal:
                self._give_up(paths, refusal)
            return result
        if found.objects:
            outside.restore()
            return self._confirmed(found, paths, asked.args, asked.kwargs, asked.inputs)
        self._shorten(found.path, asked)
        return finish(found.path, found.values, values, asked.inputs)

    def _confirmed(
        self, run: Run, paths: Paths, args: Any, kwargs: Any, inputs: Sequence[Any]
    ) -> Any:
        """What the function itself gives. If that is not what the run gave, there is no path."""
        try:
            result = self.function(*args, **kwargs)
        except Exception:
            paths.give_up(_OBJECTS)
            raise
        if not run.gives(result, inputs):
            self._give_up(paths, _OBJECTS)
        return result

    def _shorten(self, path: Path, asked: Asked) -> None:
        """Let later calls go to the native code of a path directly, if it is there."""
        if path.executable.native is not None:
            try:
                made = shortcut(path, asked, self._environment, self._general)
            except UnkeyableError as error:
                self._give_up_all(str(error))
            else:
                self._fast = made or self._general

    def _differentiated(self, asked: Asked, paths: Paths, values: Sequence[Array]) -> Any:
        """A call inside of a derivative: one equation, the call of the path's Program."""
        inputs = [_number(value) for value in values]
        outside = None
        path = paths.recent
        new = path is None
        reached = -1
        if path is None:
            outside = Outside(self._environment, asked.unfollowed)
            path = self._path_below(asked, paths, values, outside)
        while path is not None and not path.cuts and not path.mutated:
            try:
                outputs = call.bind(*inputs, program=path.program)
            except GuardFailed as failure:
                if new:  # Compiled, it rounds differently.
                    break
                further = failure.index is not None and failure.index > reached
                reached = failure.index or 0
                path = paths.instead(path, failure.index, failure.value) if further else None
                if path is None:
                    outside = Outside(self._environment, asked.unfollowed)
                    path, new = self._path_below(asked, paths, values, outside), True
            except Exception:  # the function itself raises the right one
                break
            else:
                paths.touch(path)
                return finish(path, outputs, values, asked.inputs)
        if outside is not None:
            outside.restore()
        return self._as_it_is(asked.args, asked.kwargs)

    def _path_below(
        self, asked: Asked, paths: Paths, values: Sequence[Array], outside: Outside
    ) -> Path | None:
        """A new path, traced with the values under all traces; None where there can be none."""
        below = [_native(value) for value in asked.below]
        found, refusal = self._trace(asked, paths, below, outside)
        if refusal:
            paths.give_up(refusal)
        if found is not None and found.objects:
            outside.restore()
            inputs = [_copy(value) for value in below]
            args, kwargs = asked.rebuilt(inputs)
            self._confirmed(found, paths, args, kwargs, inputs)
        return found.path if found is not None and found.path in paths.paths else None

    # -- tracing ---------------------------------------------------------------------------------

    def _trace(
        self, asked: Asked, paths: Paths, values: Sequence[Array], outside: Outside
    ) -> tuple[Run | None, str]:
        """Trace the function; without a run, why it cannot be traced (nothing if for once)."""
        try:
            run = self._traced_run(asked, values)
        except Exception as error:  # whether it is the user's own will be seen
            return None, "" if isinstance(error, InlinedError) else reason(error)
        self._traces += 1
        if run.refusal:
            settle(self._environment, [output.constant for output in run.path.outputs])
        if self._key_after(asked) != asked.key:
            self._changes += 1
            if self._changes > CHANGES:
                self._give_up_all("it changes variables or objects outside of itself")
        elif outside.drew():
            self._give_up_all("it draws random numbers")
        elif self._environment.survey((asked.args, asked.kwargs)):
            self._forget()
        elif run.refusal:
            self._give_up(paths, run.refusal)
        else:
            self._keep(paths, run)
        return run, ""

    def _traced_run(self, asked: Asked, values: Sequence[Array]) -> Run:
        """A traced run of the function, which leaves nothing in caches that cannot be looked at."""
        bools = self._environment.compares_bools
        try:
            return traced_run(self.function, values, asked.rebuilt, self._name, bools)
        finally:
            clear_caches(self._environment)

    def _trial(self, asked: Asked) -> Run:
        """A traced run for its Program alone, which leaves nothing traced behind."""
        try:
            return self._traced_run(asked, [_native(value) for value in asked.inputs])
        finally:
            settle(self._environment, (asked.args, asked.kwargs))

    def _key_after(self, asked: Asked) -> Any:
        """The key that the same call has after a run; None if that cannot be said."""
        try:
            return self._ask(asked.args, asked.kwargs).key
        except (InlinedError, UnkeyableError):
            settle(self._environment, (asked.args, asked.kwargs))
            return None

    def _keep(self, paths: Paths, run: Run) -> None:
        """Keep a new path, and compile it: the first ones at once, others when they are met again.

        Gives up where paths are traced again and again and hardly used.
        """
        paths.traced(run.path)
        if paths.hopeless:
            self._give_up(
                paths,
                "its control flow takes a new path at nearly every call; np.where and wg.cond "
                "choose without one, np.sin needs no value where math.sin does, and "
                "np.linspace(0, x, n) has a length of its own where np.arange(0, x) has not",
            )
        elif self._traces > TRACES and self._hits < self._traces:
            self._give_up_all("nearly every call has other shapes, constants or variables")
        elif not run.exceptional:
            if len(paths.paths) < FIRST or self.waits:
                run.path.executable.start(self.waits)
            paths.add(run.path)

    def _may_write(self, path: Path, asked: Asked) -> bool:
        """Whether what a path changes of its arguments is seen through these alone."""
        if not path.mutated:
            return True
        targets = [asked.inputs[place] for place in path.mutated]
        if not all(target.flags.writeable for target in targets):
            return False
        others = [value for value in asked.inputs if isinstance(value, np.ndarray)]
        others += arrays(self._environment, asked.unfollowed)
        return all(
            sum(np.may_share_memory(target, other) for other in others) <= 1 for target in targets
        )

    def _give_up_all(self, reason: str) -> None:
        self._plain = reason
        self._forget()
        self._warn(reason)

    def _forget(self) -> None:
        self._signatures = {}
        self._fast = self._general

    def _give_up(self, paths: Paths, reason: str) -> None:
        paths.give_up(reason)
        self._warn(reason)

    def _complain(self, path: Path) -> None:
        """Say once that a path could not be compiled."""
        failure = path.executable.failure
        if self._warned or (path.executable.missing and _NOTICES):
            return
        self._warned = True
        if path.executable.missing:
            _NOTICES.append(failure or "")
            text = (
                f"wengert.jit evaluates without compiling, as {failure}; the results are the same. "
                "`pip install llvmlite` makes it fast."
            )
        else:
            text = (
                f"{self._name} could not be compiled and is evaluated instead, with the same "
                f"results: {failure}. Please report this with the text of f.lower(*args)."
            )
        warnings.warn(text, JitWarning, stacklevel=users_level())

    def _warn(self, reason: str) -> None:
        """Say once why the function is not compiled for some arguments."""
        if self._warned:
            return
        self._warned = True
        warnings.warn(
            f"{self._name} is run as it would be without wg.jit: {reason}",
            JitWarning,
            stacklevel=users_level(),
        )

    # -- keys ------------------------------------------------------------------------------------

    @property
    def _environment(self) -> Environment:
        """What the function reads from outside. Another thread may have that forgotten."""
        found = self._surroundings
        if found is None:
            found = self._surroundings = Environment(self.function)
        return found

    def _ask(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Asked:
        return Asked(args, kwargs, self._static, self._environment.key())

    def _met(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Asked, Paths]:
        """A call taken apart, and the paths for it.

        New arguments may bring classes along whose methods read further variables.
        """
        asked = self._ask(args, kwargs)
        if asked.key not in self._signatures:
            with self._lock:
                grown = self._environment.survey((args, kwargs))
            if grown:
                self._forget()
                asked = self._ask(args, kwargs)
            if self._environment.question:
                self._give_up_all(self._environment.question)
            elif self._environment.world:
                self._give_up_all(
                    f"it can call {self._environment.world}, which may give something else each "
                    "time; call that outside of it, and pass the result"
                )
        return asked, self._paths(asked.key)

    def _paths(self, key: Any) -> Paths:
        """The paths for a key, new ones if it has not been met."""
        found = self._signatures.get(key)
        if found is None:
            with self._lock:
                found = self._signatures.setdefault(key, Paths())
                if len(self._signatures) > MOST:
                    oldest = min(self._signatures, key=lambda k: self._signatures[k].used)
                    del self._signatures[oldest]
        found.use()
        return found

    # -- what there is ---------------------------------------------------------------------------

    def lower(self, *args: Any, **kwargs: Any) -> Program:
        """The simplified Program of the path that the function takes at these arguments.

        Raises what prevents it from being traced.
        """
        return self.traced(*args, **kwargs).program

    def traced(self, *args: Any, **kwargs: Any) -> Path:
        """The path that the function takes at these arguments: that which is kept, or a new one."""
        found = self._trial(self._ask(args, kwargs)).path
        return next((path for path in self.paths() if path.program == found.program), found)

    def export(self, *args: Any, signature: str | None = None, **kwargs: Any) -> Export:
        """A C function of doubles that computes what the function does, for callers without Python.

        The arguments are examples: numbers and arrays of float64 become the C function's arguments,
        all else stays as it is given here, as do variables outside of the function. ``signature``
        is the C type, without names: ``double (double, ...)``, ``double (int, double *)`` or
        ``void (double *, double *)``, and by default the first of these that fits; arrays are
        passed as their elements, one array behind the other.

        The result has the ``address``, the ``signature``, ``low_level()`` (which gives a
        ``scipy.LowLevelCallable``), and ``function``, for ctypes. Where a branch is to be taken
        that the examples did not take, Python is asked, under its lock. Where that raises, the C
        function returns NaN, ``failures`` is one more, and ``error`` is the exception.

        Raises ``DtypeError`` for other dtypes, ``ShapeError`` for a signature that does not fit,
        ``UnsupportedError`` for a function that changes its arguments or cannot be traced,
        ``CompileError`` where there is no compiler.

        Example:
            >>> import numpy as np, wengert as wg
            >>> from scipy.integrate import quad
            >>> f = wg.jit(lambda x: np.exp(-x) if x > 1 else 0.0)
            >>> exported = f.export(2.0)
            >>> exported.signature
            'double (double)'
            >>> round(quad(exported.low_level(), 0, 30, points=[1.0])[0], 6)
            0.367879
        """
        asked = self._ask(args, kwargs)
        return exported(self, self._trial(asked), asked, signature)

    def paths(self) -> list[Path]:
        """All paths that are kept at present, those of one signature together."""
        return [path for paths in list(self._signatures.values()) for path in paths.paths]

    def report(self) -> str:
        """Each signature and its paths: what guards them, how they are run, how long they took."""
        return report_text(self)

    def wait(self) -> Jitted:
        """Return when all that has been traced is compiled."""
        for path in self.paths():
            path.executable.compile_all()
        return self

    def clear(self) -> None:
        """Forget all paths."""
        with self._lock:
            self._fast = self._general
            self._signatures = {}
            self._surroundings = None
            self._warned, self._plain = False, ""
            self._traces = self._hits = self._changes = self._unkeyable = 0

    def __repr__(self) -> str:
        paths = self.paths()
        if self._plain or not self._signatures:
            return f"<jitted {self._name}: {'run as it is' if self._plain else 'not called yet'}>"
        native = sum(path.executable.native is not None for path in paths)
        return f"<jitted {self._name}: {count(len(paths), 'path')}, {native} native>"

    # -- pickling --------------------------------------------------------------------------------

    def __reduce__(self) -> Any:
        place = place_of(self)
        if place:
            return place
        static = self._static
        return _again, (self.function, static.argnums, static.argnames, self.waits)

    def __jit_token__(self) -> Any:
        """In the keys of other functions it counts as itself."""
        return Same(self)


def _again(
    function: Callable[..., Any], argnums: Sequence[int], argnames: Sequence[str], wait: bool
) -> Jitted:
    return Jitted(function, argnums, argnames, wait)
