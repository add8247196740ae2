"""The workspace: which part of it each value lies in, from when to when, and how a call gets it."""

from __future__ import annotations

from .module import Module

__all__ = ["Arena", "ways_in"]

ALIGN = 64


class Arena:
    """Parts of one workspace, given out in the order of the code and taken back after their use."""

    def __init__(self) -> None:
        self.size = 0
        self.free: list[tuple[int, int]] = []

    def take(self, size: int) -> tuple[int, int]:
        """Offset and length of a part of at least ``size`` bytes: the smallest hole that fits."""
        size = -(-max(size, 1) // ALIGN) * ALIGN
        fitting = [hole for hole in self.free if hole[1] >= size]
        if fitting:
            hole = min(fitting, key=lambda hole: hole[1])
            self.free.remove(hole)
            if hole[1] > size:
                self.free.append((hole[0] + size, hole[1] - size))
            return hole[0], size
        if self.free:
            last = max(self.free)
            if last[0] + last[1] == self.size:
                self.free.remove(last)
                self.size = last[0] + size
                return last[0], size
        offset = self.size
        self.size += size
        return offset, size

    def keep(self, size: int) -> int:
        """Offset of a part that no other shares, before it or after it."""
        offset = self.size
        self.size += -(-max(size, 1) // ALIGN) * ALIGN
        return offset

    def give(self, part: tuple[int, int]) -> None:
        """Take a part back, and join it with the holes beside it."""
        start, length = part
        for hole in list(self.free):
            if hole[0] + hole[1] == start:
                self.free.remove(hole)
                start, length = hole[0], hole[1] + length
            elif start + length == hole[0]:
                self.free.remove(hole)
                length += hole[1]
        self.free.append((start, length))


def ways_in(module: Module, size: int) -> None:
    """Write ``kernel``, which calls ``body`` with a workspace of ``size`` bytes, and ``release``.

    One workspace is kept with the code; a call that finds it taken makes its own.
    """
    declare = module.declare
    declare("#0", 'attributes #0 = { nounwind "prefer-vector-width"="512" }')
    if not size:
        module.functions.append(
            "define i32 @kernel(ptr %inputs, ptr %outputs) #0 {\n"
            "  %status = call i32 @body(ptr %inputs, ptr %outputs, ptr null)\n"
            "  ret i32 %status\n}\n"
            "define void @release() #0 {\n  ret void\n}"
        )
        return
    declare("malloc", "declare ptr @malloc(i64)")
    declare("free", "declare void @free(ptr)")
    declare("@workspace", "@workspace = internal global ptr null")
    module.functions.append(
        f"""define i32 @kernel(ptr %inputs, ptr %outputs) #0 {{
  %kept = atomicrmw xchg ptr @workspace, ptr null acquire
  %none = icmp eq ptr %kept, null
  br i1 %none, label %make, label %go
make:
  %made = call ptr @malloc(i64 {size + 64})
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %out, label %go
out:
  ret i32 -2
go:
  %base = phi ptr [ %kept, %0 ], [ %made, %make ]
  %number = ptrtoint ptr %base to i64
  %up = add i64 %number, 63
  %even = and i64 %up, -64
  %work = inttoptr i64 %even to ptr
  %status = call i32 @body(ptr %inputs, ptr %outputs, ptr %work)
  %other = atomicrmw xchg ptr @workspace, ptr %base release
  %lone = icmp eq ptr %other, null
  br i1 %lone, label %done, label %drop
drop:
  call void @free(ptr %other)
  br label %done
done:
  ret i32 %status
}}
define void @release() #0 {{
  %kept = atomicrmw xchg ptr @workspace, ptr null acquire
  call void @free(ptr %kept)
  ret void
}}"""
    )
