"""Who differentiates: one class for each library, each used as its own documentation shows.

A peer turns a case into a function of no arguments that can be timed. Data are converted before,
and a result that is computed asynchronously is waited for within.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from .cases import CASADI, JAX, TORCH, Case

__all__ = ["PEERS", "Peer", "missing", "prepare", "release"]

Run = Callable[[], Any]


def prepare() -> None:
    """One thread for every library, and no compiled code of earlier runs.

    To be called before any of them is imported.
    """
    for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS" if name != "VECLIB_MAXIMUM" else f"{name}_THREADS"] = "1"
    os.environ["WENGERT_NUM_THREADS"] = "1"
    os.environ["WENGERT_CACHE"] = "0"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_ENABLE_X64"] = "1"


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """A value with ``function`` applied to each array in its lists, tuples and dictionaries."""
    if isinstance(value, (list, tuple)):
        return type(value)(mapped(function, item) for item in value)
    if isinstance(value, dict):
        return {name: mapped(function, item) for name, item in value.items()}
    return function(value)


def leaves(value: Any) -> list[Any]:
    """The arrays in a value, in order; those of a dictionary in the order of their names."""
    if isinstance(value, dict):
        value = [value[name] for name in sorted(value)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def flat(result: Any) -> np.ndarray[Any, Any]:
    """Every number of a result, in order, as one float64 array."""
    parts: list[np.ndarray[Any, Any]] = [np.zeros(0)]
    for leaf in leaves(result):
        array = np.asarray(leaf.detach() if hasattr(leaf, "detach") else leaf)
        if array.dtype != np.float64:
            raise TypeError(f"a result is {array.dtype}, and float64 is what is compared")
        parts.append(array.ravel())
    return np.concatenate(parts)


class Peer:
    """A library. What a method returns is what it has to be asked for again and again."""

    title: str
    package: str
    derives = True
    """Whether it computes derivatives, and is not only there to be compared with."""
    tool: str | None = None
    """A command that it cannot do without."""

    @classmethod
    def knows(cls, case: Case) -> bool:
        """Whether there is a function for it."""
        return True

    def value(self, case: Case) -> Run:
        """The function's value."""
        raise NotImplementedError

    def gradient(self, case: Case) -> Run:
        """The gradient, or the Hessian-vector product if the case asks for one."""
        raise NotImplementedError

    def tangent(self, case: Case) -> Run:
        """The function's value and its derivative along a direction, in forward mode."""
        raise NotImplementedError

    def call(self, case: Case) -> Run:
        """The gradient as seen from NumPy: its arrays go in, its arrays come out."""
        raise NotImplementedError


def _places(case: Case) -> Any:
    """The arguments that are differentiated, as ``grad`` takes them."""
    return 0 if case.count == 1 else tuple(range(case.count))


class NumPy(Peer):
    """No derivative at all: the function itself, which the others are measured against."""

    title = "NumPy, the function alone"
    package = "numpy"
    derives = False

    def value(self, case: Case) -> Run:
        f, arguments = case.write(np), case.arguments()
        given = arguments[:1] if case.along else arguments
        return lambda: f(*given)

    gradient = tangent = value


class Empty(Peer):
    """The least that a function with an array as its result can cost."""

    title = "np.empty(2)"
    package = "numpy"
    derives = False

    def call(self, case: Case) -> Run:
        return partial(np.empty, 2)


class Copy(Peer):
    """The first argument, copied to memory that is there: what the memory can do."""

    title = "copy of one array"
    package = "numpy"
    derives = False

    def value(self, case: Case) -> Run:
        source = case.arguments()[0]
        return partial(np.copyto, np.zeros_like(source), source)

    gradient = value


class Wengert(Peer):
    title = "wengert, interpreted"
    package = "wengert"

    def __init__(self) -> None:
        import wengert

        self.wg = wengert

    def ready(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is called."""
        return function

    def value(self, case: Case) -> Run:
        return partial(self.ready(case.write(np)), *case.arguments())

    def gradient(self, case: Case) -> Run:
        f = case.write(np)
        function = partial(self.wg.hvp, f) if case.along else self.wg.grad(f, _places(case))
        return partial(self.ready(function), *case.arguments())

    call = gradient

    def tangent(self, case: Case) -> Run:
        f, arguments = case.write(np), case.arguments()
        moving, rest = arguments[: case.count], arguments[case.count :]

        def tangent(moving: Any, directions: Any) -> Any:
            return self.wg.jvp(lambda *args: f(*args, *rest), moving, directions)

        return partial(self.ready(tangent), moving, mapped(np.ones_like, moving))


class WengertJit(Wengert):
    title = "wengert, jitted"

    def __init__(self) -> None:
        super().__init__()
        # What could not be compiled is not to be timed as if it were.
        warnings.simplefilter("error", self.wg.errors.JitWarning)

    def ready(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.wg.jit(function, wait=True)


class Autograd(Peer):
    title = "autograd"
    package = "autograd"

    def __init__(self) -> None:
        import autograd
        import autograd.numpy

        self.autograd = autograd
        self.np = autograd.numpy

    def gradient(self, case: Case) -> Run:
        f, arguments = case.write(self.np), case.arguments()
        if case.along:
            return partial(self.autograd.hessian_vector_product(f), *arguments)
        return partial(self.autograd.grad(f, _places(case)), *arguments)

    call = gradient

    def tangent(self, case: Case) -> Run:
        f, arguments = case.write(self.np), case.arguments()
        moving, rest = arguments[: case.count], arguments[case.count :]
        directions = mapped(np.ones_like, moving)
        if case.count == 1:
            jvp = self.autograd.make_jvp(lambda x: f(x, *rest))
            return lambda: jvp(*moving)(*directions)
        jvp = self.autograd.make_jvp(lambda xs: f(*xs, *rest))
        return lambda: jvp(moving)(directions)


class Torch(Peer):
    title = "PyTorch, eager"
    package = "torch"

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        self.torch = torch

    def function(self, case: Case) -> Callable[..., Any]:
        """The function as a user of this library writes it."""
        return TORCH.get(case.write, case.write)(self.torch)

    def _tensors(self, case: Case) -> tuple[Any, ...]:
        args = mapped(self.torch.tensor, case.arguments())
        for leaf in leaves(args[: case.count]):
            leaf.requires_grad_()
        return args

    def value(self, case: Case) -> Run:
        f, args = self.function(case), mapped(self.torch.tensor, case.arguments())
        return lambda: f(*args)

    def gradient(self, case: Case) -> Run:
        gradient = self.torch.autograd.grad
        f, args = self.function(case), self._tensors(case)
        if case.along:
            x, v = args

            def product() -> Any:
                (first,) = gradient(f(x), x, create_graph=True)
                return gradient(first, x, v)[0]

            return product
        moving = leaves(args[: case.count])
        return lambda: gradient(f(*args), moving)

    def call(self, case: Case) -> Run:
        torch, f, arguments = self.torch, self.function(case), case.arguments()

        def call() -> Any:
            args = mapped(torch.from_numpy, arguments)
            moving = leaves(args[: case.count])
            for leaf in moving:
                leaf.requires_grad_()
            return [found.numpy() for found in torch.autograd.grad(f(*args), moving)]

        return call

    def tangent(self, case: Case) -> Run:
        torch, f = self.torch, self.function(case)
        args = mapped(torch.tensor, case.arguments())
        moving, rest = args[: case.count], args[case.count :]
        ones = mapped(torch.ones_like, moving)
        return lambda: torch.func.jvp(lambda *xs: f(*xs, *rest), moving, ones)


class TorchCompiled(Torch):
    title = "PyTorch, compiled"
    tool = "g++"

    def function(self, case: Case) -> Callable[..., Any]:
        # It compiles a function a few times only, and each case is a new use of the same code.
        self.torch.compiler.reset()
        return self.torch.compile(super().function(case), dynamic=False)


class Jax(Peer):
    title = "JAX, eager"
    package = "jax"

    def __init__(self) -> None:
        import jax

        self.jax = jax

    def function(self, case: Case) -> Callable[..., Any]:
        """The function as a user of this library writes it."""
        return case.write(self.jax.numpy)

    def ready(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is called."""
        return function

    def _run(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Run:
        function, done = self.ready(function), self.jax.block_until_ready
        given = mapped(self.jax.numpy.asarray, arguments)
        return lambda: done(function(*given))

    def _gradient(self, case: Case) -> Callable[..., Any]:
        jax, f = self.jax, self.function(case)
        if case.along:
            gradient = jax.grad(f)
            return lambda x, v: jax.jvp(gradient, (x,), (v,))[1]
        return jax.grad(f, _places(case))

    def value(self, case: Case) -> Run:
        return self._run(self.function(case), case.arguments())

    def gradient(self, case: Case) -> Run:
        return self._run(self._gradient(case), case.arguments())

    def call(self, case: Case) -> Run:
        function, arguments = self.ready(self._gradient(case)), case.arguments()
        return lambda: mapped(np.asarray, function(*arguments))

    def tangent(self, case: Case) -> Run:
        jax, f, arguments = self.jax, self.function(case), case.arguments()
        ones = mapped(np.ones_like, arguments[: case.count])

        def tangent(*args: Any) -> Any:
            moving, rest = args[: case.count], args[case.count :]
            return jax.jvp(lambda *xs: f(*xs, *rest), moving, ones)

        return self._run(tangent, arguments)


class JaxJit(Jax):
    title = "JAX, jitted"

    def function(self, case: Case) -> Callable[..., Any]:
        return JAX[case.write](self.jax) if case.write in JAX else super().function(case)

    def ready(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.jax.jit(function)


class CasADi(Peer):
    """Its own compiled form of an expression graph, without a C compiler."""

    title = "CasADi"
    package = "casadi"

    def __init__(self) -> None:
        import casadi

        self.casadi = casadi

    @classmethod
    def knows(cls, case: Case) -> bool:
        return case.write in CASADI

    def call(self, case: Case) -> Run:
        casadi, arguments = self.casadi, case.arguments()
        symbols = mapped(lambda array: casadi.SX.sym("x", *array.shape), arguments)
        moving = leaves(symbols[: case.count])
        value = CASADI[case.write](casadi)(*symbols)
        gradients = [casadi.gradient(value, x) for x in moving]
        function = casadi.Function("gradient", leaves(symbols), gradients)
        shapes = [array.shape for array in leaves(arguments[: case.count])]

        def call() -> Any:
            found = function(*leaves(arguments))
            several = found if isinstance(found, tuple) else (found,)
            return [x.full().reshape(shape) for x, shape in zip(several, shapes, strict=True)]

        return call


PEERS: dict[str, type[Peer]] = {
    "wengert-jit": WengertJit,
    "wengert": Wengert,
    "autograd": Autograd,
    "torch": Torch,
    "torch-compiled": TorchCompiled,
    "jax": Jax,
    "jax-jit": JaxJit,
    "casadi": CasADi,
    "numpy": NumPy,
    "empty": Empty,
    "copy": Copy,
}


def missing(name: str) -> str | None:
    """What a peer needs and is not there."""
    peer = PEERS[name]
    if find_spec(peer.package) is None:
        return f"{peer.package} is not installed (pip install wengert[bench])"
    if peer.tool is not None and shutil.which(peer.tool) is None:
        return f"there is no {peer.tool}"
    return None


def release(name: str) -> str:
    """The version of a peer's package."""
    try:
        return version(PEERS[name].package)
    except PackageNotFoundError:
        return "from source"
