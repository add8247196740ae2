"""One traced run of a function: its result, and the path that repeats it."""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..calls import alive, annotate, result_leaf
from ..errors import UnsupportedError, named
from ..primitive import Traced
from ..program import Array, Literal, Program
from ..trace import ArrayTracer, as_array, joined, snapshot
from .execute import Executable
from .paths import Output, Path, value_token
from .tracing import JitRecorder, close
from .weak import WeakTracer

__all__ = ["Run", "finish", "traced_run"]

_CONSTANT = (int, float, complex, bool, str, bytes, type(None))
_FIXED = (enum.Enum, type, np.dtype, range)


class Run:
    """A path with the values that its first run gave.

    ``refusal`` says why these values are not those of the path, if they are not. ``exceptional``
    says that the run met an exception on its way, of which the path knows nothing. ``objects`` says
    that NumPy has made arrays of objects, which are arrays of numbers without tracing.
    """

    def __init__(self, path: Path, values: Sequence[Array], recorder: JitRecorder) -> None:
        self.path = path
        self.values = values
        self.refusal = recorder.refusal
        self.exceptional = recorder.exceptional
        self.objects = recorder.objects

    def gives(self, result: Any, inputs: Sequence[Any]) -> bool:
        """Whether this is what the run gave, and has left of its inputs."""
        leaves, spec = tree.flatten(result)
        if spec != self.path.spec:
            return False
        expected = [_leaf(output, self.values) for output in self.path.outputs]
        written = self.values[len(self.values) - len(self.path.mutated) :]
        pairs = zip(expected, leaves, strict=True)
        changed = zip(written, (inputs[place] for place in self.path.mutated), strict=True)
        return all(_alike(one, other) for pair in (pairs, changed) for one, other in pair)


def traced_run(
    f: Callable[..., Any],
    values: Sequence[Array],
    rebuilt: Callable[[Sequence[Any]], tuple[Any, Any]],
    name: str,
    bools: bool = False,
) -> Run:
    """Run ``f`` once, recording its path.

    ``values`` are the arguments that become inputs; ``rebuilt`` puts stand-ins for them into the
    arguments of the call. With ``bools`` Python's truth values are given as they are. Raises
    whatever goes wrong while tracing.
    """
    recorder = JitRecorder(bools)
    handles = [recorder.given(value) for value in values]
    args, kwargs = rebuilt(handles)
    before = tree.flatten((args, kwargs))
    try:
        result = f(*args, **kwargs)
        if recorder.failure is not None:  # The function has caught it.
            raise recorder.failure
        recorder.check_lent()
        leaves, spec = tree.flatten(result)
        atoms: list[Any] = []
        found: list[Array] = []
        outputs = [_output(leaf, recorder, atoms, found) for leaf in leaves]
        _check_containers(before, tree.flatten((args, kwargs)))
        mutated = [i for i, h in enumerate(handles) if isinstance(h, ArrayTracer) and h.version > 0]
        if any(handles[place].shape != np.shape(values[place]) for place in mutated):
            raise UnsupportedError("the function gives one of its arguments another shape")
        for place in mutated:
            handle = snapshot(handles[place])
            atoms.append(recorder.atom(handle))
            found.append(recorder.value(handle))
        recorder.check_caught(f)
    except (TypeError, ValueError) as error:
        annotate(error, recorder)
        raise
    else:
        del result, leaves  # Filled arrays that still exist are not the function's own.
    finally:
        try:
            recorder.close()
        except BaseException:  # The user's interrupt came just then.
            recorder.close()
            raise
    program = Program(tuple(recorder.inputs), tuple(recorder.equations), tuple(atoms))
    guards = [
        (var.type.dtype, value_token(expected.value, var.type.dtype))
        for var, expected in recorder.guards
    ]
    executable = Executable(program, name, simplified=False)
    path = Path(executable, guards, outputs, spec, mutated, recorder.cuts)
    return Run(path, found, recorder)


def _check_containers(before: Any, after: Any) -> None:
    """Refuse a function that changed the lists, dicts or objects that it was given."""
    same = before[1] == after[1]
    if not same or any(a is not b for a, b in zip(before[0], after[0], strict=True)):
        raise UnsupportedError(
            "the function changed a list, a dict or an object among its arguments"
        )


def _output(leaf: Any, recorder: JitRecorder, atoms: list[Any], found: list[Array]) -> Output:
    point = False
    if isinstance(leaf, np.ndarray) and not isinstance(leaf, Traced):
        if type(leaf) is not np.ndarray or leaf.dtype.kind not in "fciubO":
            return _as_it_is(leaf, recorder)
        point = leaf.ndim == 0
        given, leaf = leaf, joined(leaf)
        if leaf.dtype.kind not in "fciub":
            return _as_it_is(given, recorder)
    if not isinstance(leaf, Traced):
        if isinstance(leaf, np.ndarray):
            atoms.append(Literal(leaf))
            found.append(leaf.copy(order="K"))
            return Output(len(atoms) - 1, boxed=point)
        if type(leaf) in _CONSTANT or isinstance(leaf, (np.generic, *_FIXED)):
            return Output(None, leaf)
        return _as_it_is(leaf, recorder)
    if type(leaf) is WeakTracer and leaf._trace is recorder:
        if type(leaf._node.value) in (int, bool):
            return Output(None, recorder.force(leaf))
        value: Array = np.asarray(leaf._node.value)[()]
    else:
        leaf = result_leaf(leaf)
        value = recorder.value(leaf)
    if isinstance(leaf, ArrayTracer) or isinstance(value, np.ndarray):
        point = not np.shape(value)
    atoms.append(recorder.atom(leaf))
    found.append(value)
    return Output(len(atoms) - 1, boxed=point)


def _as_it_is(leaf: Any, recorder: JitRecorder) -> Output:
    """A result that no path can give: the run is none, unless it is one that hides its parts."""
    why = f"the function returned {named(type(leaf))}"
    hides = isinstance(leaf, (Iterator, types.FunctionType, types.MethodType, functools.partial))
    if hides or (isinstance(leaf, np.ndarray) and leaf.dtype.hasobject):
        raise UnsupportedError(why)
    recorder.refuse(why)
    return Output(None, leaf)


def finish(
    path: Path, values: Sequence[Array], given: Sequence[Array], leaves: Sequence[Any]
) -> Any:
    """The result of a call from the values of a path's outputs; writes into mutated arguments.

    ``given`` are the inputs as they were computed with, ``leaves`` the caller's own.
    """
    count = len(values) - len(path.mutated)
    taken = set(map(id, given))
    fresh = [_fresh(value, taken) for value in values[:count]]
    for place, value in zip(path.mutated, values[count:], strict=True):
        np.copyto(leaves[place], value)
    return tree.unflatten(path.spec, [_leaf(output, fresh) for output in path.outputs])


def _leaf(output: Output, values: Sequence[Array]) -> Any:
    """A leaf of the result, of which the values of the outputs are given."""
    if output.place is None:
        return output.constant
    value = values[output.place]
    return as_array(value) if output.boxed else value


def _alike(found: Any, wanted: Any) -> bool:
    """Whether a leaf of a result is the plain function's, whose numbers become NumPy's."""
    if type(wanted) in (float, complex):
        wanted = np.asarray(wanted)[()]
    if type(found) is not type(wanted):
        return False
    if isinstance(wanted, (np.ndarray, np.generic)) and wanted.dtype.kind in "fciub":
        return close(found, wanted)
    return found is wanted or repr(found) == repr(wanted)


def _fresh(value: Array, taken: set[int]) -> Array:
    """A value that shares its memory with nothing else."""
    if not isinstance(value, np.ndarray):
        return alive(value)
    if not value.shape:
        return value[()]
    if value.base is not None or id(value) in taken or not value.flags.writeable:
        value = value.copy()
    taken.add(id(value))
    return value
