"""Threads for the large loops of compiled code.

A large kernel is a function of its own, a *part*, which is called for one chunk of places after
another: ``wengert_parallel(part, environment, size, chunk)``. Where more than one thread is allowed
and none of them is at work, helpers take chunks too, until there are none. How a kernel is divided
depends on its size alone, and what chunks add up is added in their order, so that results are the
same, bit by bit, for any number of threads.

The function is made of LLVM code and POSIX threads; Python has no part in it. The helpers are
started when they are first needed, and sleep between kernels. There is one set of them: a kernel
that is called while another thread's has them, or within a part, does its chunks alone. So no
kernel waits for another, and n threads of Python's keep at most n CPUs more busy than allowed. The
child of a fork starts helpers of its own. Helpers take no signals but those of their own faults.

The number of threads is ``WENGERT_NUM_THREADS``, or what ``set_num_threads`` says, or that of the
CPUs that this process may use; and never more than NumPy's BLAS has been told to use. So
``OMP_NUM_THREADS=1`` and ``threadpoolctl.threadpool_limits(1)`` hold for compiled loops as well.
Who asks for a number by name gets it, however, until BLAS is given fewer threads than it has then.

Known to be weak: where threads are not POSIX's (Windows), and where BLAS cannot be asked for its
number (Apple's Accelerate), there is one thread, or no limit by BLAS. Quotas of control groups are
not seen.
"""

from __future__ import annotations

import ctypes
import operator
import os
import platform
import signal
import warnings
from functools import cache
from typing import Any

import numpy as np

from ..errors import DtypeError, ShapeError, named
from ..forks import compiling, lock
from .machine import Library, link
from .store import store

__all__ = ["SEVERAL", "address", "get_num_threads", "set_num_threads"]

VARIABLE = "WENGERT_NUM_THREADS"

SEVERAL = os.name == "posix" and hasattr(signal, "pthread_sigmask")

_UNBOUND = 1 << 30
"""More threads than there will be."""

_wanted: int | None = None
"""What ``set_num_threads`` was given."""

_telling = lock()
"""Held while the code is told a number."""


# -- how many --------------------------------------------------------------------------------------


def set_num_threads(number: int | None) -> None:
    """Set how many threads large compiled loops may use, in this process; results do not change.

    None is for as many as at first: what the environment variable ``WENGERT_NUM_THREADS`` says, or
    one for each CPU that this process may use, and no more than NumPy's BLAS takes. A number that
    was asked for holds until BLAS is given fewer threads than it had at first.

    Raises ``DtypeError`` for what is no integer, and ``ShapeError`` for less than one.

    Example:
        >>> import wengert as wg
        >>> wg.set_num_threads(1)
        >>> wg.get_num_threads()
        1
        >>> wg.set_num_threads(None)
    """
    global _wanted  # noqa: PLW0603 - a setting of the process
    _wanted = None if number is None else _checked(number)
    _tell()


def _checked(number: Any) -> int:
    """A number of threads; an error for what is none."""
    remedy = "wg.set_num_threads(n) for n >= 1, or None for as many as there are CPUs"
    try:
        number = operator.index(number)
    except TypeError as error:
        raise DtypeError(
            f"a number of threads is an integer, and not {named(type(number))}", remedy=remedy
        ) from error
    if number < 1:
        raise ShapeError(f"compiled loops need at least one thread, not {number}", remedy=remedy)
    return number


def get_num_threads() -> int:
    """How many threads a large compiled loop uses now: as set, and as NumPy's BLAS is limited.

    Example:
        >>> import wengert as wg
        >>> wg.get_num_threads() >= 1
        True
    """
    number, bound = _asked()
    blas = _blas()
    given = int(blas()) if blas is not None else _UNBOUND
    return min(number, max(1, given)) if given < bound else number


def _asked() -> tuple[int, int]:
    """The number of threads, and from below how many for BLAS on that is the limit."""
    wanted = (_wanted or _from_environment()) if SEVERAL else 1
    return (_cpus(), _UNBOUND) if wanted is None else (wanted, _blas_at_first())


@cache
def _from_environment() -> int | None:
    """The number in the environment, when it was first looked at."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        warnings.warn(f"{VARIABLE} is {text!r}, and not a number of threads", stacklevel=2)
        return None
    return int(text)


def _cpus() -> int:
    """The CPUs that this process may use."""
    count = getattr(os, "process_cpu_count", None)  # from Python 3.13 on
    if count is not None:
        return count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_ASK = (
    "scipy_openblas_get_num_threads64_",
    "scipy_openblas_get_num_threads",
    "openblas_get_num_threads64_",
    "openblas_get_num_threads",
    "MKL_Get_Max_Threads",
    "bli_thread_get_num_threads",
)
"""What BLAS libraries call the function that gives their number of threads."""


@cache
def _blas() -> Any:
    """The function that gives the number of threads of NumPy's BLAS, or None."""
    try:
        # A symbol is looked for in what NumPy's extension is linked with, too.
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    except (AttributeError, OSError):
        return None
    for name in _ASK:
        found = getattr(library, name, None)
        if found is not None:
            found.argtypes, found.restype = [], ctypes.c_int
            return found
    return None


@cache
def _blas_at_first() -> int:
    """The number of threads of BLAS when it was first looked at."""
    blas = _blas()
    return int(blas()) if blas is not None else _UNBOUND


def _tell() -> None:
    """Tell the code, where there is some already, how many threads are wanted."""
    with _telling:
        for pool in _pools:
            for name, value in zip(("limit", "bound"), _asked(), strict=True):
                ctypes.c_int32.from_address(pool[name]).value = value


# -- the code --------------------------------------------------------------------------------------


def address() -> int:
    """The address of ``void wengert_parallel(part, void *environment, int64 size, int64 chunk)``.

    ``part`` is a function ``void (void *environment, int64 start, int64 stop)``.
    """
    with compiling:
        pool = _pool()
        _tell()
        return pool["wengert_parallel"]


_pools: list[Library] = []
"""What has been linked: a child of a fork calls into it, so it is never freed."""


@cache
def _pool() -> Library:
    """The helpers' code. It is never freed, as they run in it."""
    text = _PARALLEL + (_helpers() if SEVERAL else _ALONE)
    imports: dict[str, int] = {}
    blas = _blas()
    if blas is not None:
        imports["blas"] = ctypes.cast(blas, ctypes.c_void_p).value or 0
    else:
        text = text.replace("declare i32 @blas()", _NO_BLAS)
    pool = link(store().compile(text, 2), imports, ["wengert_parallel", "renew", "limit", "bound"])
    _pools.append(pool)
    renew = ctypes.CFUNCTYPE(None)(pool["renew"])
    renew()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)
    return pool


_NO_BLAS = f"define internal i32 @blas() {{\n  ret i32 {_UNBOUND}\n}}"

_PARALLEL = """
@limit = global i32 1
@bound = global i32 1
@busy = internal global i32 0
@next = internal global i64 0
declare i32 @blas()
declare i32 @llvm.smin.i32(i32, i32)
declare i32 @llvm.smax.i32(i32, i32)
declare i64 @llvm.smin.i64(i64, i64)

define internal i32 @allowed() {
  %limit = load atomic i32, ptr @limit monotonic, align 4
  %bound = load atomic i32, ptr @bound monotonic, align 4
  %blas = call i32 @blas()
  %some = call i32 @llvm.smax.i32(i32 %blas, i32 1)
  %both = call i32 @llvm.smin.i32(i32 %limit, i32 %some)
  %lower = icmp slt i32 %blas, %bound
  %found = select i1 %lower, i32 %both, i32 %limit
  ret i32 %found
}

; Take chunks until there are none.
define internal void @work(ptr %part, ptr %env, i64 %size, i64 %chunk) {
  br label %claim
claim:
  %number = atomicrmw add ptr @next, i64 1 monotonic
  %start = mul i64 %number, %chunk
  %any = icmp slt i64 %start, %size
  br i1 %any, label %take, label %end
take:
  %after = add i64 %start, %chunk
  %stop = call i64 @llvm.smin.i64(i64 %after, i64 %size)
  call void %part(ptr %env, i64 %start, i64 %stop)
  br label %claim
end:
  ret void
}

define void @wengert_parallel(ptr %part, ptr %env, i64 %size, i64 %chunk) {
  %allowed = call i32 @allowed()
  %several = icmp sgt i32 %allowed, 1
  br i1 %several, label %ask, label %alone
ask:
  %was = atomicrmw xchg ptr @busy, i32 1 acquire
  %taken = icmp ne i32 %was, 0
  br i1 %taken, label %alone, label %lead
lead:
  %last = add i64 %size, -1
  %more = sdiv i64 %last, %chunk
  %others = add i32 %allowed, -1
  %wide = sext i32 %others to i64
  %few = call i64 @llvm.smin.i64(i64 %more, i64 %wide)
  %wanted = trunc i64 %few to i32
  call void @together(ptr %part, ptr %env, i64 %size, i64 %chunk, i32 %wanted)
  store atomic i32 0, ptr @busy release, align 4
  ret void
alone:
  %start = phi i64 [ 0, %0 ], [ 0, %ask ], [ %next, %alone ]
  %next = add i64 %start, %chunk
  %stop = call i64 @llvm.smin.i64(i64 %next, i64 %size)
  call void %part(ptr %env, i64 %start, i64 %stop)
  %on = icmp slt i64 %next, %size
  br i1 %on, label %alone, label %end
end:
  ret void
}
"""

_ALONE = """
define void @renew() {
  ret void
}

define internal void @together(ptr %part, ptr %env, i64 %size, i64 %chunk, i32 %wanted) {
  store i64 0, ptr @next
  call void @work(ptr %part, ptr %env, i64 %size, i64 %chunk)
  ret void
}
"""


def _helpers() -> str:
    """The code of the helpers.

    A kernel is offered under the mutex, with so many ``seats``. Who takes one is ``running`` until
    there are no chunks left. The leader takes the seats away before it waits for those, so that
    helpers that wake up too late do no harm.
    """
    faults = [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL]
    allow = "\n".join(f"  call i32 @sigdelset(ptr %all, i32 {int(each)})" for each in faults)
    return (
        _HELPERS.replace("PAUSE", _PAUSE.get(platform.machine(), ""))
        .replace("ALLOW", allow)
        .replace("SETMASK", str(int(signal.SIG_SETMASK)))
    )


_X86, _ARM = "call void @llvm.x86.sse2.pause()", "call void @llvm.aarch64.hint(i32 1)"
_PAUSE = {"x86_64": _X86, "AMD64": _X86, "aarch64": _ARM, "arm64": _ARM}
"""What a thread does that waits for another, by the machine's name."""

_HELPERS = """
@mutex = internal global [128 x i8] zeroinitializer, align 64
@wake = internal global [128 x i8] zeroinitializer, align 64
@idle = internal global [128 x i8] zeroinitializer, align 64
@helpers = internal global i32 0
@seats = internal global i32 0
@running = internal global i32 0
@part = internal global ptr null
@env = internal global ptr null
@size = internal global i64 0
@chunk = internal global i64 0
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @sigdelset(ptr, i32)

; As at first: also in the child of a fork, where there are no helpers.
define void @renew() {
  call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  call i32 @pthread_cond_init(ptr @wake, ptr null)
  call i32 @pthread_cond_init(ptr @idle, ptr null)
  store i32 0, ptr @helpers
  store i32 0, ptr @seats
  store i32 0, ptr @running
  store i32 0, ptr @busy
  ret void
}

; Wait, under the mutex, until a number is zero, or until it is not, and give it.
define internal i32 @await(ptr %number, i1 %zero, ptr %changed) {
  br label %look
look:
  %found = load i32, ptr %number
  %none = icmp eq i32 %found, 0
  %right = icmp eq i1 %none, %zero
  br i1 %right, label %end, label %sleep
sleep:
  call i32 @pthread_cond_wait(ptr %changed, ptr @mutex)
  br label %look
end:
  ret i32 %found
}

define internal ptr @helper(ptr %none) {
  call i32 @pthread_mutex_lock(ptr @mutex)
  br label %look
look:
  %seats = call i32 @await(ptr @seats, i1 false, ptr @wake)
  %fewer = add i32 %seats, -1
  store i32 %fewer, ptr @seats
  %before = load i32, ptr @running
  %more = add i32 %before, 1
  store i32 %more, ptr @running
  %part = load ptr, ptr @part
  %env = load ptr, ptr @env
  %size = load i64, ptr @size
  %chunk = load i64, ptr @chunk
  call i32 @pthread_mutex_unlock(ptr @mutex)
  call void @work(ptr %part, ptr %env, i64 %size, i64 %chunk)
  call i32 @pthread_mutex_lock(ptr @mutex)
  %now = load i32, ptr @running
  %less = add i32 %now, -1
  store atomic i32 %less, ptr @running release, align 4
  %last = icmp eq i32 %less, 0
  br i1 %last, label %tell, label %look
tell:
  call i32 @pthread_cond_signal(ptr @idle)
  br label %look
}

; As many helpers as are wanted, or as can be had. Under the mutex.
define internal i32 @enough(i32 %wanted) {
  %there = load i32, ptr @helpers
  %done = icmp sge i32 %there, %wanted
  br i1 %done, label %yes, label %start
yes:
  ret i32 %wanted
start:
  %thread = alloca [64 x i8], align 16
  %all = alloca [256 x i8], align 16
  %old = alloca [256 x i8], align 16
  call i32 @sigfillset(ptr %all)
ALLOW
  call i32 @pthread_sigmask(i32 SETMASK, ptr %all, ptr %old)
  br label %make
make:
  %count = phi i32 [ %there, %start ], [ %more, %made ]
  %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @helper, ptr null)
  %fine = icmp eq i32 %failed, 0
  br i1 %fine, label %made, label %end
made:
  %id = load ptr, ptr %thread
  call i32 @pthread_detach(ptr %id)
  %more = add i32 %count, 1
  %short = icmp slt i32 %more, %wanted
  br i1 %short, label %make, label %end
end:
  %have = phi i32 [ %count, %make ], [ %more, %made ]
  store i32 %have, ptr @helpers
  call i32 @pthread_sigmask(i32 SETMASK, ptr %old, ptr null)
  ret i32 %have
}

define internal void @together(ptr %part, ptr %env, i64 %size, i64 %chunk, i32 %wanted) {
  call i32 @pthread_mutex_lock(ptr @mutex)
  %have = call i32 @enough(i32 %wanted)
  store ptr %part, ptr @part
  store ptr %env, ptr @env
  store i64 %size, ptr @size
  store i64 %chunk, ptr @chunk
  store i64 0, ptr @next
  store i32 %have, ptr @seats
  br label %each
each:
  %woken = phi i32 [ 0, %0 ], [ %plus, %signal ]
  %all = icmp sge i32 %woken, %have
  br i1 %all, label %begin, label %signal
signal:
  call i32 @pthread_cond_signal(ptr @wake)
  %plus = add i32 %woken, 1
  br label %each
begin:
  call i32 @pthread_mutex_unlock(ptr @mutex)
  call void @work(ptr %part, ptr %env, i64 %size, i64 %chunk)
  call i32 @pthread_mutex_lock(ptr @mutex)
  store i32 0, ptr @seats
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %spin
spin:
  %turn = phi i32 [ 0, %begin ], [ %again, %on ]
  %busy = load atomic i32, ptr @running acquire, align 4
  %over = icmp eq i32 %busy, 0
  br i1 %over, label %end, label %on
on:
  PAUSE
  %again = add i32 %turn, 1
  %patient = icmp slt i32 %again, 1000
  br i1 %patient, label %spin, label %lock
lock:
  call i32 @pthread_mutex_lock(ptr @mutex)
  call i32 @await(ptr @running, i1 true, ptr @idle)
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %end
end:
  ret void
}
"""
