"""Windows that overlap saw the same machine: how much of each is to be added so that no instant counts twice.

Of the windows on one host, in the order in which they began, each adds what it drew in the time that none before it
had covered. How much of its energy that is, is told by its power series; where it has none, by the time alone: with
the part f of its time to add, its part of the energy lies between none and all, and sqrt(f (1 - f) / 3) of the energy
is the standard uncertainty (that of a rectangular distribution over all of it at f = 1/2, none at 0 and 1).

Labels of the beginning come from the wall clock in steps of a millisecond, so shorter overlaps are not seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import pairwise

from greenllm_kernel.accounting.known import Known
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.quantities import Energy

CLOCK_STEP_S = 1e-3
"""Resolution of ``Record.started_at`` in JSON, s."""

Span = tuple[float, float]
"""From and to, s."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a record adds to a sum.

    Attributes:
        record: which.
        factor: the part of its energy, 0 to 1.
        doubt: standard uncertainty of ``factor``.
    """

    record: Record
    factor: float = 1.0
    doubt: float = 0.0

    @property
    def share_j(self) -> float | None:
        """This part of the kernel's own share, J; None where that cannot be told."""
        return None if self.record.share_j is None else self.factor * self.record.share_j

    @property
    def known(self) -> Known:
        """This part of what those channels know that know theirs."""
        known = self.record.known
        if self.factor == 0.0:
            return Known()
        return replace(
            known,
            idle=self.of(known.idle),
            net=self.of(known.net),
            share_j=None if known.share_j is None else self.factor * known.share_j,
            shared=self.of(known.shared),
        )

    def of(self, energy: Energy | None) -> Energy | None:
        """Return this part of the record's gross, idle or net."""
        if energy is None or (self.factor == 1.0 and self.doubt == 0.0):
            return energy
        part = energy.scaled(self.factor)
        return replace(part, random_j=math.hypot(part.random_j, self.doubt * energy.value_j))


class Covered:
    """The time that windows have covered so far, host by host; to be told of them in the order in which they began."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}
        self._whole_s = 0.0
        self._free_s = 0.0
        self._windows = 0

    def add(self, host: str, begin_s: float, end_s: float) -> float:
        """Take in one more window, and return from when on no window before it has its time; its end where none is.

        Those before began no later: what they cover of its time reaches from its beginning to the last of their ends.
        """
        free_s, until_s = begin_s, self._until_s.get(host)
        if until_s is None or until_s < end_s:
            self._until_s[host] = end_s
        if until_s is not None and until_s > begin_s:
            free_s = until_s if until_s < end_s else end_s
        self._windows += 1
        self._whole_s += end_s - begin_s
        self._free_s += end_s - free_s
        return free_s

    @property
    def times(self) -> tuple[float, float]:
        """The time covered by any window, and the time covered more than once, both in seconds."""
        overlap_s = self._whole_s - self._free_s
        if overlap_s <= CLOCK_STEP_S * self._windows:
            return self._whole_s, 0.0
        return self._free_s, overlap_s

    def copy(self) -> Covered:
        """Return the same, to go on apart from this one."""
        copied = copy(self)
        copied._until_s = dict(self._until_s)
        return copied


def parts(records: Sequence[Record]) -> list[Part]:
    """Return what each of ``records`` adds, so that each instant of a host counts once."""
    covered = Covered()
    found = {}
    for record in sorted(records, key=lambda record: record.started_at):
        begin_s, end_s = span_of(record)
        found[record.run_id] = part_after(record, covered.add(record.host, begin_s, end_s))
    return [found[record.run_id] for record in records]


def times(records: Iterable[Record]) -> tuple[float, float]:
    """Return the time covered by any window, and the time covered more than once, both in seconds."""
    covered = Covered()
    for record in sorted(records, key=lambda record: record.started_at):
        covered.add(record.host, *span_of(record))
    return covered.times


def part_after(record: Record, free_s: float) -> Part:
    """Return what a record adds that counts only from an instant of its own time on."""
    end_s = span_of(record)[1]
    return part_within(record, [(free_s, end_s)] if free_s < end_s else [])


def part_within(record: Record, free: Sequence[Span]) -> Part:
    """Return what a record adds that counts only within ``free``, which are spans of its own time."""
    free_s = length_s(free)
    if record.duration_s - free_s <= CLOCK_STEP_S:
        return Part(record)
    if free_s <= CLOCK_STEP_S:
        return Part(record, 0.0)
    by_time = free_s / record.duration_s
    by_power = _by_power(record, free)
    return by_power or Part(record, by_time, math.sqrt(by_time * (1.0 - by_time) / 3.0))


def span_of(record: Record) -> Span:
    """Return a record's beginning by the wall clock, and its end, s."""
    begin_s = record.started_at.timestamp()
    return begin_s, begin_s + record.duration_s


def outside(span: Span, covered: Sequence[Span]) -> list[Span]:
    """Return the parts of a span that no span of ``covered`` (in order, apart from one another) has."""
    free, at = [], span[0]
    for begin, end in covered:
        if begin > at:
            free.append((at, min(begin, span[1])))
        at = max(at, end)
        if at >= span[1]:
            return [part for part in free if part[0] < part[1]]
    return [part for part in [*free, (at, span[1])] if part[0] < part[1]]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return the same time as spans in order, apart from one another."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def length_s(spans: Iterable[Span]) -> float:
    """Return how long spans are together, s."""
    return math.fsum(end - begin for begin, end in spans)


def _by_power(record: Record, free: Sequence[Span]) -> Part | None:
    """Return the part that a record's power series tells, or None where it has none of what it drew."""
    series = record.power()
    counted = [c for c in record.channels if c.counted and c.energy is not None and c.energy.value_j > 0]
    if not counted or any(len(series.get(channel.channel_id, ())) < 2 for channel in counted):
        return None
    begin_s = record.started_at.timestamp()
    inside = [(begin - begin_s, end - begin_s) for begin, end in free]
    added_j = doubt_j2 = whole_j = 0.0
    for channel in counted:
        assert channel.energy is not None
        points = _completed(series[channel.channel_id], record.duration_s)
        curve_j = _area(points, 0.0, record.duration_s)
        if curve_j <= 0:
            return None
        scale = channel.energy.value_j / curve_j
        added_j += scale * math.fsum(_area(points, *span) for span in inside)
        whole_j += channel.energy.value_j
        # Where a span is cut, power between two points may be any that was seen.
        spacing_s = record.duration_s / (len(points) - 1)
        swing_w = max(w for _, w in points) - min(w for _, w in points)
        doubt_j2 += 2 * len(inside) * (scale * swing_w * spacing_s) ** 2 / 12
    return Part(record, added_j / whole_j, math.sqrt(doubt_j2) / whole_j)


def _completed(points: Sequence[tuple[float, float]], duration_s: float) -> list[tuple[float, float]]:
    """Return the series with its first and last power held to both ends of the window."""
    return [(0.0, points[0][1]), *(p for p in points if 0.0 < p[0] < duration_s), (duration_s, points[-1][1])]


def _area(points: Sequence[tuple[float, float]], from_s: float, to_s: float) -> float:
    area_j = 0.0
    for (left_s, left_w), (right_s, right_w) in pairwise(points):
        begin_s, end_s = max(left_s, from_s), min(right_s, to_s)
        if begin_s < end_s:
            slope = (right_w - left_w) / (right_s - left_s)
            area_j += (end_s - begin_s) * (left_w + slope * ((begin_s + end_s) / 2 - left_s))
    return area_j
