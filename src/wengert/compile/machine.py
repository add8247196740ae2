"""LLVM: text of its intermediate representation to object code, object code to addresses.

This file alone imports llvmlite, and not before it is needed. ``compile_object`` verifies,
optimises and emits; ``link`` puts the object code into memory as a ``Library``, whose end frees the
code. Between the two the object code is plain bytes, which ``store`` keeps on disk.

Everything of LLVM happens under one lock (``forks.compiling``), which ``fork`` waits for, so that a
child process never inherits a compilation that has lost its thread. A Library that is dropped while
another thread compiles is freed when that thread is done: dropping never waits.

The code is for the processor that it runs on, or for the level of x86-64 that the environment
variable ``WENGERT_TARGET`` names (System V psABI, AMD64 supplement, "micro-architecture levels"):
a process has one target, that of its first compilation.

Known to be weak: each compilation leaves about 2 KiB behind, in LLVM's pass builder.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import numpy as np

from ..errors import CompileError
from ..forks import compiling

__all__ = [
    "LEVELS",
    "Host",
    "Library",
    "assembly",
    "available",
    "check_target",
    "compile_object",
    "host",
    "link",
    "load",
    "optimised",
    "part",
]

_OLDEST = (0, 45)
"""The first llvmlite whose LLVM (20) has all that is used here."""

VARIABLE = "WENGERT_TARGET"

_V2 = "cmov cx8 fxsr mmx sse sse2 cx16 sahf popcnt sse3 ssse3 sse4.1 sse4.2".split()
_V3 = [*_V2, *"avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave".split()]
_V4 = [*_V3, *"avx512f avx512bw avx512cd avx512dq avx512vl".split()]

LEVELS = {"x86-64-v2": _V2, "x86-64-v3": _V3, "x86-64-v4": _V4}
"""Targets other than the processor itself, and the features that one has to have for each."""

_PART = "\n; another module, of level "
"""Between modules in one text, and then the level."""

_SEVERAL = b"several objects\n"
"""What several objects in one string of bytes begin with: no object of any system does."""


@dataclass(frozen=True, slots=True)
class Host:
    """The machine that code is made for: what has to be the same for object code to be reused."""

    llvm: str
    triple: str
    cpu: str
    features: str

    def has(self, feature: str) -> bool:
        """Whether the CPU has a feature, by LLVM's name for it (``avx2``, ``avx512f``)."""
        return f"+{feature}" in self.features.split(",")


@cache
def _llvm() -> Any:
    """llvmlite's binding, initialised. Raises ``CompileError`` where it is missing or too old."""
    try:
        import llvmlite
        import llvmlite.binding as llvm
    except (ImportError, OSError) as error:
        raise CompileError(
            f"native code needs llvmlite, which cannot be imported ({error})",
            remedy="pip install 'llvmlite>=0.45'",
        ) from error
    version = tuple(int(part) for part in llvmlite.__version__.split(".")[:2])
    if version < _OLDEST:
        raise CompileError(
            f"llvmlite {llvmlite.__version__} is too old to compile with",
            remedy="pip install 'llvmlite>=0.45'",
        )
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def load() -> None:
    """Import llvmlite. Raises ``CompileError`` where there is none."""
    _llvm()


def available() -> bool:
    """Whether there is an llvmlite to compile with. Loads it."""
    try:
        host()
    except CompileError:
        return False
    return True


@cache
def host() -> Host:
    """The machine that code is made for: this one, as LLVM sees it, or what the environment asks.

    Raises ``CompileError`` without a usable llvmlite, and for a target that there is not or that
    this machine cannot run.
    """
    name = _target()
    with compiling:
        llvm = _llvm()
        try:
            features = llvm.get_host_cpu_features().flatten()
        except RuntimeError:
            features = ""
        version = ".".join(map(str, llvm.llvm_version_info))
        found = Host(version, llvm.get_process_triple(), llvm.get_host_cpu_name(), features)
    return found if name == "native" else _restricted(found, name)


def _target() -> str:
    """The name of the target that the environment asks for."""
    name = os.environ.get(VARIABLE, "").strip().lower() or "native"
    if name != "native" and name not in LEVELS:
        raise CompileError(
            f"{VARIABLE}={name} names no target to compile for",
            remedy=f"{VARIABLE}=native, or {', '.join(LEVELS)}",
        )
    return name


def _restricted(found: Host, name: str) -> Host:
    """A machine as one of a level, which it has to have."""
    lacks = [feature for feature in LEVELS[name] if not found.has(feature)]
    if not found.triple.startswith(("x86_64", "amd64")):
        lacks = ["x86-64 instructions"]
    if lacks:
        runs = [level for level, features in LEVELS.items() if all(map(found.has, features))]
        raise CompileError(
            f"{VARIABLE}={name} asks for code that this processor ({found.cpu}) cannot run: it has "
            f"no {', '.join(lacks)}",
            remedy=f"{VARIABLE}={', or '.join(['native', *runs])}",
        )
    features = ",".join(f"+{feature}" for feature in LEVELS[name])
    return Host(found.llvm, found.triple, name, features)


def check_target() -> None:
    """Raise ``CompileError`` if the environment asks for a target that there is not, or not here.

    Where there is no llvmlite only the name can be wrong.
    """
    if _target() != "native":
        try:
            load()
        except CompileError:
            return
        host()


@cache
def _target_machine(level: int) -> Any:
    """What emits code for the host. Used under the lock only, so that one serves all."""
    machine = host()
    # On Windows the code model also chooses the object format that can be linked in memory.
    model = "jitdefault" if os.name == "nt" else "small"
    return (
        _llvm()
        .Target.from_triple(machine.triple)
        .create_target_machine(
            cpu=machine.cpu,
            features=machine.features,
            opt=level,
            reloc="pic",
            codemodel=model,
            jit=True,
        )
    )


def _run_passes(llvm: Any, module: Any, target: Any, level: int) -> None:
    """LLVM's standard pipeline, with the vectorisers of a level."""
    with llvm.create_pipeline_tuning_options(2) as options:
        options.loop_vectorization = True
        options.slp_vectorization = level > 2
        # Only where the code asks for it: it makes for much more code, which takes long to compile.
        options.loop_interleaving = False
        options.loop_unrolling = False
        with llvm.create_pass_builder(target, options) as builder:
            passes = builder.getModulePassManager()
            try:
                passes.run(module, builder)
            finally:
                # llvmlite's own `close` of a pass manager frees nothing: its class inherits an
                # empty `_dispose` before the one that is meant.
                with suppress(AttributeError):
                    llvm.ffi.lib.LLVMPY_DisposeNewModulePassManger(passes)
                    passes.detach()


def part(level: int) -> str:
    """The line between two modules in one text: the next is compiled at a level of its own."""
    return f"{_PART}{level}"


def _parts(ir: str, level: int) -> list[tuple[str, int]]:
    """The modules in a text, each with its level."""
    first, *others = ir.split(_PART)
    return [(first, level), *((each[1:], int(each[0])) for each in others)]


def _compiled(ir: str, level: int, emit: str) -> list[Any]:
    """Parse, verify and optimise IR, and give what the target machine's method ``emit`` makes.

    For each module in the text.
    """
    with compiling:
        _free_discarded()
        return [_one(text, each, emit) for text, each in _parts(ir, level)]


def _one(ir: str, level: int, emit: str) -> Any:
    llvm = _llvm()
    target = _target_machine(min(level, 2))
    with llvm.create_context() as context:
        try:
            with llvm.parse_assembly(ir, context) as module:
                module.triple = target.triple
                module.data_layout = str(target.target_data)
                module.verify()
                if level > 1:
                    _run_passes(llvm, module, target, level)
                return str(module) if emit == "ir" else getattr(target, emit)(module)
        except (RuntimeError, ValueError) as error:
            raise CompileError(f"LLVM refuses the code: {error}") from error


def compile_object(ir: str, level: int = 3) -> bytes:
    """Object code for this machine, from the text of a module in LLVM's representation.

    Parameters: ``ir``, the module (its target triple and data layout are set here), or several with
    the line ``part(level)`` between them; ``level``, how hard to optimise: 0, not at all; 1, only
    the choice of registers; 2, all but straight lines, which are not vectorised; 3, these too.

    Raises ``CompileError`` for text that LLVM cannot parse or finds ill-formed, and where there is
    no llvmlite.

    Example:
        >>> from wengert.compile.machine import compile_object, link
        >>> code = compile_object("define double @f(double %x) { ret double %x }")
        >>> library = link(code, {}, ["f"])
        >>> library["f"] != 0
        True
    """
    objects = [bytes(each) for each in _compiled(ir, level, "emit_object")]
    if len(objects) == 1:
        return objects[0]
    return b"".join([_SEVERAL, *(len(each).to_bytes(8, "little") + each for each in objects)])


def _objects(code: bytes) -> list[bytes]:
    """The objects in what ``compile_object`` gave."""
    if not code.startswith(_SEVERAL):
        return [code]
    found: list[bytes] = []
    start = len(_SEVERAL)
    while start < len(code):
        stop = start + 8 + int.from_bytes(code[start : start + 8], "little")
        found.append(code[start + 8 : stop])
        start = stop
    return found


def optimised(ir: str, level: int = 3) -> str:
    """The modules after optimisation, as text. Raises as ``compile_object`` does."""
    return "\n".join(_compiled(ir, level, "ir"))


def assembly(ir: str, level: int = 3) -> str:
    """The machine code of the modules, as text. Raises as ``compile_object`` does."""
    return "\n".join(_compiled(ir, level, "emit_assembly"))


# -- linking ---------------------------------------------------------------------------------------

_linked: dict[int, tuple[Any, Callable[[], None] | None]] = {}
"""What the Libraries that there are hold, by the number that owns it, and what they do last."""

_discarded: deque[Any] = deque()
"""What dropped Libraries held. It is freed under the lock, by whoever has it next."""


def _free_discarded() -> None:
    """Free the code of dropped Libraries. Under the lock."""
    while _discarded:
        _discarded.popleft().close()


class _Owner(int):
    """Owns the code of one Library: the code is freed when this ends."""

    __slots__ = ()

    def __del__(self) -> None:
        if sys.is_finalizing():
            return
        resources, last = _linked.pop(int(self))
        if last is not None:
            last()
        _discarded.append(resources)
        # Closing takes llvmlite's lock, which a compilation in another thread holds for long.
        if compiling.acquire(blocking=False):
            try:
                _free_discarded()
            finally:
                compiling.release()


class _Linker:
    """LLVM's linker in memory, renewed now and then.

    A Library that is freed leaves a trace of about 10 KiB in its linker, and a linker takes about
    150 KiB. So some Libraries share one; the last of them frees it.
    """

    SHARE = 64

    def __init__(self) -> None:
        self.numbers = count()
        self.linker: Any = None

    def link(self, builder: Any) -> tuple[int, Any]:
        """Link what a builder holds, in a library of its own; its number. Under the lock.

        Wherever Python makes an object it may collect garbage, whose finalisers may link, too.
        """
        number = next(self.numbers)
        if self.linker is None or number % self.SHARE == 0:
            # Who is linking with the one before keeps it.
            self.linker = _llvm().create_lljit_compiler(
                _target_machine(3), use_jit_link=os.name != "nt", suppress_errors=True
            )
        return number, builder.link(self.linker, f"wengert{number}")


_linker = _Linker()

_LAST = ctypes.CFUNCTYPE(None)


class Library:
    """Code in memory. ``library[name]`` is the address of an exported function.

    The addresses are valid as long as the Library lives. What is called through one must keep it;
    a finaliser may call it, too.
    """

    __slots__ = ("_addresses", "_keeps")

    def __init__(self, owner: _Owner, addresses: Mapping[str, int]) -> None:
        # The garbage collector runs the finalisers of a cycle in any order, and the owner's must
        # come last. It does not look into arrays, so it finds the owner in no cycle.
        self._keeps = np.array([None])
        self._keeps[0] = owner
        self._addresses = addresses

    def __getitem__(self, name: str) -> int:
        return self._addresses[name]


def link(
    code: bytes, imports: Mapping[str, int], exports: Iterable[str], last: str = ""
) -> Library:
    """Put object code into memory, ready to be called.

    Parameters: ``code`` from ``compile_object``; ``imports``, addresses of symbols that it uses and
    does not define (others are looked for among those of the process); ``exports``, the functions
    whose addresses are wanted; ``last``, a function ``void ()`` that is called before the code is
    freed.

    Raises ``CompileError`` if a symbol is missing, or the code is none for this machine.
    """
    wanted = (*exports, last) if last else tuple(exports)
    with compiling:
        _free_discarded()
        llvm = _llvm()
        builder = llvm.JITLibraryBuilder().add_current_process()
        for each in _objects(code):
            builder.add_object_img(each)
        for name, address in imports.items():
            builder.import_symbol(name, address)
        for name in wanted:
            builder.export_symbol(name)
        try:
            number, resources = _linker.link(builder)
        except RuntimeError as error:
            raise CompileError(f"LLVM cannot link the code: {error}") from error
        _linked[number] = resources, _LAST(resources[last]) if last else None
        return Library(_Owner(number), {name: resources[name] for name in wanted})
