"""How the operands of a stretch of equations that repeat themselves go from one round to the next.

A stretch is cut into rounds of ``period`` equations, its rows. What an operand is in the middle of
the stretch says what it should be in every round; the rounds in which all operands are as they
should be are the iterations of a loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .repeats import FEWEST, Ints, Listing

__all__ = ["Relation", "Rounds", "fitting"]

FURTHEST = 16
"""Values of up to this many iterations before are carried from one iteration to the next."""


@dataclass(slots=True)
class Relation:
    """An operand of a row: its values in the rounds, and what they are.

    ``kind`` is "local" (result ``slot`` of ``row`` in the same round), "carried" (of the round
    ``delay`` before), "same" (one value), "element" (of one array) or "literal" (constants).
    """

    kind: str
    values: Ints
    row: int = 0
    slot: int = 0
    delay: int = 0

    def within(self, low: int, high: int) -> Relation:
        """The same in some of the rounds. A constant that does not change there is one value."""
        values = self.values[low:high]
        steady = self.kind == "literal" and bool(np.all(values == values[0]))
        return Relation("same" if steady else self.kind, values, self.row, self.slot, self.delay)


@dataclass(slots=True)
class Rounds:
    """Consecutive rounds that can be the iterations of one loop."""

    listing: Listing
    start: int
    period: int
    count: int
    relations: list[list[Relation]]

    @property
    def end(self) -> int:
        """The equation after the last one."""
        return self.start + self.period * self.count


def fitting(listing: Listing, begin: int, end: int, period: int) -> Iterator[Rounds]:
    """The parts of a stretch that can be loops, in order and without overlap."""
    begin += _rotation(listing, begin, end, period)
    count = (end - begin) // period
    if count < FEWEST:
        return
    relations: list[list[Relation]] = []
    # A loop with round j may begin with round earliest[j] or later.
    earliest = np.zeros(count, np.int64)
    for row in range(period):
        found: list[Relation] = []
        firsts = listing.first[begin + row + period * np.arange(count)]
        number = begin + row
        for place in range(int(listing.first[number + 1] - listing.first[number])):
            relation = _relation(listing, begin, period, listing.operands[firsts + place])
            if relation is None:
                return
            _restrict(listing, begin, period, relation, earliest)
            found.append(relation)
        relations.append(found)
    for low, high in _ranges(earliest.tolist()):
        cut = [[r.within(low, high) for r in row] for row in relations]
        yield Rounds(listing, begin + low * period, period, high - low, cut)


def _rotation(listing: Listing, begin: int, end: int, period: int) -> int:
    """Where in a round the fewest values go on to the next one."""
    if period == 1:
        return 0
    middle = begin + (end - begin) // period // 2 * period
    low, high = listing.first[middle], listing.first[middle + period]
    ahead = listing.first[middle + 2 * period] - high
    readers = np.repeat(np.arange(period), np.diff(listing.first[middle : middle + period + 1]))
    now, later = listing.operands[low:high], listing.operands[high : high + ahead]
    distance = readers + middle - listing.made[now]
    steady = (distance == readers + middle + period - listing.made[later]) & (
        listing.made[now] >= begin
    )
    rows = ((readers - distance) % period)[steady]
    keys, which = np.unique(rows + period * listing.slot[now[steady]], return_inverse=True)
    reach = np.zeros(len(keys), np.int64)
    np.maximum.at(reach, which, distance[steady])
    crossing = np.zeros(period, np.int64)
    # A value that is made in row r and read d equations later crosses the cuts r + 1 to r + d.
    for key, length in zip(keys.tolist(), reach.tolist(), strict=True):
        first = key % period + 1
        last = first + length % period
        crossing[first:last] += 1
        crossing[: max(last - period, 0)] += 1
        crossing += length // period
    return int(np.argmin(crossing))


def _relation(listing: Listing, begin: int, period: int, values: Ints) -> Relation | None:
    """What an operand is in the middle of the stretch."""
    middle = len(values) // 2
    three = values[middle - 1 : middle + 2]
    made, slots = listing.made[three], listing.slot[three]
    distance = made - begin - period * np.arange(middle - 1, middle + 2)
    if np.all(distance == distance[0]) and np.all(slots == slots[0]) and made[0] >= begin:
        row = int(distance[0]) % period
        delay = (row - int(distance[0])) // period
        if delay <= FURTHEST:
            kind = "carried" if delay else "local"
            return Relation(kind, values, row, int(slots[0]), delay)
    if np.all(listing.is_literal(three)):
        return Relation("literal", values)
    if np.all(three == three[0]):
        return Relation("same", values)
    base = listing.base[three]
    if base[0] >= 0 and np.all(base == base[0]):
        return Relation("element", values)
    return None


def _restrict(
    listing: Listing, begin: int, period: int, relation: Relation, earliest: Ints
) -> None:
    """Note where an operand is not what it is in the middle."""
    values = relation.values
    count = len(values)
    rounds = np.arange(count)
    made = listing.made[values]
    if relation.kind in {"local", "carried"}:
        wanted = begin + relation.row + period * (rounds - relation.delay)
        wrong = (made != wanted) | (listing.slot[values] != relation.slot)
        if relation.kind == "local":
            bound = rounds + 1
        else:
            # It may be an initial value, which has to be there before the loop.
            bound = np.maximum(rounds - relation.delay + 1, (made - begin) // period + 1)
        np.maximum(earliest, np.where(wrong, bound, 0), out=earliest)
        return
    middle = values[count // 2]
    if relation.kind == "same":
        wrong = values != middle
        source = int(made[count // 2])
    elif relation.kind == "element":
        wrong = listing.base[values] != listing.base[middle]
        source = int(listing.made[listing.base[middle]])
    else:
        wrong = ~listing.is_literal(values)
        source = -1
    bound = np.where(wrong, rounds + 1, (source - begin) // period + 1 if source >= begin else 0)
    np.maximum(earliest, bound, out=earliest)


def _ranges(earliest: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of rounds, none of which has to begin after its own begin."""
    found: list[tuple[int, int]] = []
    low = 0
    for high, bound in enumerate([*earliest, len(earliest) + 1]):
        if bound > low:
            if high - low >= FEWEST:
                found.append((low, high))
            low = max(bound, high if high - low >= FEWEST else low)
    return found
