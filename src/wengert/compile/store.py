"""Compiled code on disk, for the next process.

An entry is a file, named by the SHA-256 of all that its content depends on: what was compiled, and
the version of LLVM, the CPU, the mathematical library and this package. It holds a checksum, and
one that does not fit is as good as none. Entries are written to a file beside and moved into place,
so that processes need not know of each other. The longest unused are removed when there are too
many.

Whoever can write a file here can have code run as the user. So the folder has to belong to the
user, nobody else may be able to write into it, and nobody else may be able to put another folder in
its place; else it is not used, with a warning. That is checked once for each folder and process,
on the resolved path. On Windows the folder of the user's local data is private as it is.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from . import blas
from .machine import compile_object, host
from .mathlib import mathlib

__all__ = ["Store", "default_folder", "key", "store"]

_MAGIC: Final = b"wengert object 1\n"
_HEADER: Final = len(_MAGIC) + 32
_SUFFIX: Final = ".bin"
_STALE: Final = 3600.0
"""Seconds after which a temporary file has been left behind."""

LIMIT: Final = 512 << 20
"""Bytes that the entries may take together."""


def key(*parts: str | bytes) -> str:
    """The name of what is compiled from these parts on this machine, by this version."""
    digest = _digest_of_environment().copy()
    _feed(digest, parts)
    return digest.hexdigest()


def _feed(digest: Any, parts: Iterable[str | bytes]) -> None:
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)


@cache
def _digest_of_environment() -> Any:
    digest = hashlib.sha256()
    _feed(digest, _environment())
    return digest


def _environment() -> tuple[str, ...]:
    """What compiled code depends on, besides what is compiled."""
    machine = host()
    return (
        _package(),
        machine.llvm,
        machine.triple,
        machine.cpu,
        machine.features,
        mathlib().identity,
        blas.identity(),
    )


@cache
def _package() -> str:
    """The state of this package's files: every version, and every change to one, has its own."""
    root = str(Path(__file__).parents[1])
    files = sorted(_sources(root))
    if not files:
        # Out of an archive, in which nothing changes between versions.
        return importlib.import_module("importlib.metadata").version("wengert")
    return "\n".join(f"{path} {size} {changed}" for path, size, changed in files)


def _sources(folder: str) -> Iterator[tuple[str, int, int]]:
    """Paths, sizes and times of the modules in a folder and those below."""
    with suppress(OSError), os.scandir(folder) as entries:
        for each in entries:
            if each.name.endswith(".py"):
                found = each.stat()
                yield each.path, found.st_size, found.st_mtime_ns
            elif each.is_dir():
                yield from _sources(each.path)


# Now: a process whose package is replaced while it runs still compiles with the old one.
_package()


class Store:
    """Compiled code in a folder. Without one (None) nothing is found and nothing is kept.

    Nothing that goes wrong with the disk is an error: code is then compiled again.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from wengert.compile.store import Store, key
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Store(Path(folder)).put(key("what it is made of"), b"code")
        ...     Store(Path(folder)).get(key("what it is made of"))
        b'code'
    """

    def __init__(self, folder: Path | None, *, limit: int = LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        self._until_check = 0

    def get(self, name: str) -> bytes | None:
        """What was put under a name, or None."""
        if self.folder is None:
            return None
        path = f"{self.folder}{os.sep}{name}{_SUFFIX}"
        try:
            with open(path, "rb", buffering=0) as file:
                # A stranger's file can only be from a time when the folder was open to others.
                if os.name != "nt" and not _private(os.fstat(file.fileno())):
                    return None
                data = file.read()
        except OSError:
            return None
        content = data[_HEADER:]
        if data[:_HEADER] != _header(content):
            with suppress(OSError):
                os.unlink(path)
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def put(self, name: str, content: bytes) -> None:
        """Keep something under a name."""
        if self.folder is None or len(content) > self.limit:
            return
        with suppress(OSError):
            handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_header(content))
                    file.write(content)
                os.replace(temporary, self.folder / f"{name}{_SUFFIX}")
            except OSError:
                with suppress(OSError):
                    os.unlink(temporary)
        # Looking at every file each time would take long where there are many.
        if self._until_check == 0:
            self._until_check = 32
            self._evict()
        self._until_check -= 1

    def compile(self, ir: str, level: int = 3) -> bytes:
        """``compile_object``, unless the result is here. Raises as that does."""
        name = key("object", ir, str(level))
        found = self.get(name)
        if found is None:
            found = compile_object(ir, level)
            self.put(name, found)
        return found

    def _evict(self) -> None:
        """Remove what was not used for longest, down to three quarters of the limit."""
        assert self.folder is not None
        entries: list[tuple[float, int, str]] = []
        now = time.time()
        with suppress(OSError), os.scandir(self.folder) as files:
            for file in files:
                with suppress(OSError):
                    found = file.stat(follow_symlinks=False)
                    if file.name.endswith(_SUFFIX):
                        entries.append((found.st_mtime, found.st_size, file.path))
                    elif file.name.endswith(".tmp") and now - found.st_mtime > _STALE:
                        os.unlink(file.path)
        total = sum(size for _, size, _ in entries)
        if total <= self.limit:
            return
        for _, size, path in sorted(entries):
            with suppress(OSError):
                os.unlink(path)
            total -= size
            if total <= self.limit * 3 // 4:
                return


def _header(content: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(content).digest()


# -- which folder ----------------------------------------------------------------------------------


def store() -> Store:
    """The Store that the environment asks for.

    ``WENGERT_CACHE=0`` asks for none, ``WENGERT_CACHE_DIR`` for a folder other than the
    platform's.
    """
    switch = os.environ.get("WENGERT_CACHE", "").strip().lower()
    if switch in ("0", "off", "no", "false"):
        return _store_in(None)
    chosen = os.environ.get("WENGERT_CACHE_DIR")
    return _store_in(Path(chosen).expanduser() if chosen else default_folder())


def default_folder() -> Path | None:
    """Where the platform wants such files, or None if the user has no home."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if os.name == "nt":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "wengert" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "wengert"
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(chosen) if os.path.isabs(chosen) else home / ".cache") / "wengert"


@lru_cache(maxsize=16)
def _store_in(folder: Path | None) -> Store:
    """The Store in a folder, which is made and checked; without one if it cannot be used."""
    if folder is None:
        return Store(None)
    folder = Path(os.path.abspath(folder))
    try:
        _make(folder)
        fault = None if os.name == "nt" else _fault(folder)
    except OSError:
        # A home that cannot be written to is nothing to warn of at every start.
        return Store(None)
    if fault is None:
        return Store(folder.resolve())
    warnings.warn(
        f"compiled code is not kept on disk: {fault}. Whoever writes there could run code as you. "
        "Set WENGERT_CACHE_DIR to a folder that is only yours, or WENGERT_CACHE=0 to do without.",
        RuntimeWarning,
        stacklevel=3,
    )
    return Store(None)


def _make(folder: Path) -> None:
    """Make a folder and those above it, for the user alone."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            with suppress(FileExistsError):
                each.mkdir(mode=0o700)


def _private(found: os.stat_result) -> bool:
    """Whether something belongs to the user, and nobody else can write to it."""
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _fault(folder: Path) -> str | None:
    """Why somebody else could write into a folder, or put another in its place; None if nobody."""
    for each in (*folder.parents, folder):
        if each.is_symlink() and not _trusted(each.lstat().st_uid):
            return f"{each} is a link that belongs to somebody else"
    resolved = folder.resolve(strict=True)
    found = resolved.stat()
    if found.st_uid != os.geteuid():
        return f"{resolved} belongs to somebody else"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write into {resolved}"
    # From below: a folder that others cannot even enter protects all that is in it, but must itself
    # be where its owner put it.
    reachable: list[tuple[Path, os.stat_result]] = []
    for parent in resolved.parents:
        status = parent.stat()
        if not _entered_by_others(status) and _trusted(status.st_uid):
            reachable.clear()
        reachable.append((parent, status))
    for parent, status in reachable:
        if not _trusted(status.st_uid):
            return f"{parent} belongs to somebody else"
        # In a sticky folder, such as /tmp, nobody else can move what is the user's.
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
            return f"others can write into {parent}"
    return None


def _entered_by_others(status: os.stat_result) -> bool:
    return bool(status.st_mode & (stat.S_IXGRP | stat.S_IXOTH))


def _trusted(owner: int) -> bool:
    """Whether an owner is the user, or the administrator, who can do everything anyway."""
    return owner in (0, os.geteuid())
