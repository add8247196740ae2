"""Who differentiates: one class for each library, each used as its own documentation shows.

A peer turns a case into a function of no arguments that can be timed. Data are converted before,
and a result that is computed asynchronously is waited for within.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from .cases import STEPS, TORCH, Case, chain, loop

__all__ = ["PEERS", "Peer", "missing", "one_thread", "release"]

Run = Callable[[], Any]


def one_thread() -> None:
    """Keep every library to one thread; to be called before any of them is imported."""
    for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS" if name != "VECLIB_MAXIMUM" else f"{name}_THREADS"] = "1"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_ENABLE_X64"] = "1"


class Peer:
    """A library with NumPy's interface; the base of those without."""

    title: str
    package: str

    def function(self, case: Case) -> Callable[..., Any]:
        """The case's function as a user of this library writes it."""
        raise NotImplementedError

    def arguments(self, case: Case) -> tuple[Any, ...]:
        """The case's arguments as this library's arrays."""
        return case.arguments()

    def gradient(self, case: Case) -> Run:
        """The gradient, or the Hessian-vector product if the case asks for one."""
        raise NotImplementedError

    def tangent(self, case: Case) -> Run:
        """The function's value and its derivative along a direction, in forward mode."""
        raise NotImplementedError

    def chain(self, array: np.ndarray[Any, Any], steps: int) -> Run:
        """The gradient of ``cases.chain``, for the measurement of memory."""
        raise NotImplementedError


def _directions(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        [np.ones_like(leaf) for leaf in arg] if isinstance(arg, list) else np.ones_like(arg)
        for arg in arguments
    )


class NumPy(Peer):
    """No derivative at all: the function itself, which the others are measured against."""

    title = "NumPy, the function alone"
    package = "numpy"

    def gradient(self, case: Case) -> Run:
        f, arguments = case.write(np), case.arguments()
        given = arguments[:1] if case.along else arguments
        return lambda: f(*given)

    def chain(self, array: np.ndarray[Any, Any], steps: int) -> Run:
        return lambda: chain(np, array, steps)


class Wengert(Peer):
    title = "wengert"
    package = "wengert"

    def __init__(self) -> None:
        import wengert

        self.wg = wengert

    def gradient(self, case: Case) -> Run:
        f, arguments = case.write(np), case.arguments()
        if case.along:
            return lambda: self.wg.hvp(f, *arguments)
        gradient = self.wg.grad(f, 0 if case.count == 1 else tuple(range(case.count)))
        return lambda: gradient(*arguments)

    def tangent(self, case: Case) -> Run:
        f, arguments = case.write(np), case.arguments()
        moving, rest = arguments[: case.count], arguments[case.count :]
        directions = _directions(moving)
        return lambda: self.wg.jvp(lambda *args: f(*args, *rest), moving, directions)

    def chain(self, array: np.ndarray[Any, Any], steps: int) -> Run:
        gradient = self.wg.grad(lambda x: chain(np, x, steps))
        return lambda: gradient(array)


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
            product = self.autograd.hessian_vector_product(f)
            return lambda: product(*arguments)
        count = case.count
        gradient = self.autograd.grad(f, 0 if count == 1 else tuple(range(count)))
        return lambda: gradient(*arguments)

    def tangent(self, case: Case) -> Run:
        f, arguments = case.write(self.np), case.arguments()
        moving, rest = arguments[: case.count], arguments[case.count :]
        directions = _directions(moving)
        if case.count == 1:
            jvp = self.autograd.make_jvp(lambda x: f(x, *rest))
            return lambda: jvp(*moving)(*directions)
        jvp = self.autograd.make_jvp(lambda xs: f(*xs, *rest))
        return lambda: jvp(moving)(directions)

    def chain(self, array: np.ndarray[Any, Any], steps: int) -> Run:
        gradient = self.autograd.grad(lambda x: chain(self.np, x, steps))
        return lambda: gradient(array)


class Torch(Peer):
    title = "PyTorch, eager"
    package = "torch"

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        self.torch = torch

    def _tensor(self, value: Any, moving: bool) -> Any:
        if isinstance(value, list):
            return [self._tensor(item, moving) for item in value]
        return self.torch.tensor(value, requires_grad=moving)

    def gradient(self, case: Case) -> Run:
        torch = self.torch
        f = TORCH.get(case.write, case.write)(torch)
        count = case.count
        args = [self._tensor(v, i < count) for i, v in enumerate(case.arguments())]
        if case.along:
            x, v = args

            def product() -> Any:
                (gradient,) = torch.autograd.grad(f(x), x, create_graph=True)
                return torch.autograd.grad(gradient, x, v)[0]

            return product
        moving = args[0] if isinstance(args[0], list) else args[:count]
        return lambda: torch.autograd.grad(f(*args), moving)

    def tangent(self, case: Case) -> Run:
        torch = self.torch
        f = TORCH.get(case.write, case.write)(torch)
        args = tuple(self._tensor(value, False) for value in case.arguments())
        moving, rest = args[: case.count], args[case.count :]
        ones = tuple(
            [torch.ones_like(a) for a in arg] if isinstance(arg, list) else torch.ones_like(arg)
            for arg in moving
        )
        return lambda: torch.func.jvp(lambda *xs: f(*xs, *rest), moving, ones)

    def chain(self, array: np.ndarray[Any, Any], steps: int) -> Run:
        x = self.torch.tensor(array, requires_grad=True)
        return lambda: self.torch.autograd.grad(chain(self.torch, x, steps), x)


class Jax(Peer):
    title = "JAX, eager"
    package = "jax"
    compiled = False

    def __init__(self) -> None:
        import jax

        self.jax = jax

    def function(self, case: Case) -> Callable[..., Any]:
        return case.write(self.jax.numpy)

    def _ready(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Run:
        ready = self.jax.block_until_ready
        if self.compiled:
            function = self.jax.jit(function)
        return lambda: ready(function(*arguments))

    def arguments(self, case: Case) -> tuple[Any, ...]:
        return self.jax.tree_util.tree_map(self.jax.numpy.asarray, case.arguments())

    def gradient(self, case: Case) -> Run:
        jax = self.jax
        f, arguments = self.function(case), self.arguments(case)
        if case.along:
            gradient = jax.grad(f)
            return self._ready(lambda x, v: jax.jvp(gradient, (x,), (v,))[1], arguments)
        count = case.count
        return self._ready(jax.grad(f, 0 if count == 1 else tuple(range(count))), arguments)

    def tangent(self, case: Case) -> Run:
        jax = self.jax
        f, arguments = self.function(case), self.arguments(case)
        ones = jax.tree_util.tree_map(jax.numpy.ones_like, arguments[: case.count])

        def tangent(*args: Any) -> Any:
            moving, rest = args[: case.count], args[case.count :]
            return jax.jvp(lambda *xs: f(*xs, *rest), moving, ones)

        return self._ready(tangent, arguments)

    def chain(self, array: np.ndarray[Any, Any], steps: int) -> Run:
        jnp = self.jax.numpy
        gradient = self.jax.grad(lambda x: chain(jnp, x, steps))
        return self._ready(gradient, (jnp.asarray(array),))


class JaxJit(Jax):
    title = "JAX, jitted"
    compiled = True

    def function(self, case: Case) -> Callable[..., Any]:
        if case.write is not loop:
            return super().function(case)
        lax, jnp = self.jax.lax, self.jax.numpy

        def euler(y: Any, a: Any) -> Any:
            return lax.fori_loop(0, STEPS, lambda _, y: y + 0.01 * (a * jnp.sin(y) - y), y)

        return euler


PEERS: dict[str, type[Peer]] = {
    "wengert": Wengert,
    "autograd": Autograd,
    "torch": Torch,
    "jax": Jax,
    "jax-jit": JaxJit,
    "numpy": NumPy,
}


def missing(name: str) -> bool:
    """Whether a peer cannot be imported here."""
    return find_spec(PEERS[name].package) is None


def release(name: str) -> str:
    """The version of a peer's package."""
    try:
        return version(PEERS[name].package)
    except PackageNotFoundError:
        return "from source"


def flat(result: Any) -> np.ndarray[Any, Any]:
    """Every number of a result, in order, as one float64 array."""
    if isinstance(result, (tuple, list)):
        parts = [flat(item) for item in result]
        return np.concatenate(parts) if parts else np.zeros(0)
    if hasattr(result, "detach"):
        result = result.detach().numpy()
    array = np.asarray(result)
    if array.dtype != np.float64:
        raise TypeError(f"a result is {array.dtype}, and float64 is what is compared")
    return array.ravel()
