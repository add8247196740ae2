"""The memory plan: which part of the workspace each value lies in, and from when to when."""

from __future__ import annotations

__all__ = ["Arena"]

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
