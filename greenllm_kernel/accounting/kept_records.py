"""The settled records of a session in little memory: the latest whole, the older ones packed."""

from __future__ import annotations

import itertools
import pickle
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from greenllm_kernel.accounting.record import Record

MOST_RECORDS = 10_000
"""Records kept in memory; the ledger has all."""

WHOLE_RECORDS = 30
"""Of these the power over time is at hand too. A record of 16 channels takes 30 KB whole, and about 2 KB packed."""


class KeptRecords:
    """Records, oldest first. Not safe to use from several threads at once.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int = MOST_RECORDS) -> None:
        self._packed: deque[bytes] = deque(maxlen=max(0, most - WHOLE_RECORDS))
        self._whole: deque[Record] = deque()

    def __len__(self) -> int:
        return len(self._packed) + len(self._whole)

    def append(self, record: Record) -> None:
        """Keep one more; the oldest is forgotten where there are too many."""
        self._whole.append(record)
        while len(self._whole) > WHOLE_RECORDS:
            self._packed.append(_packed(self._whole.popleft()))

    def all(self) -> list[Record]:
        """Return them all, oldest first; the older ones have no power over time any more."""
        return [_unpacked(packed) for packed in self._packed] + list(self._whole)

    def newest_first(self) -> Iterator[Record]:
        """Return those kept now, each unpacked as it is taken; whatever happens to the others meanwhile."""
        whole, packed = list(self._whole), list(self._packed)
        return itertools.chain(reversed(whole), map(_unpacked, reversed(packed)))


def _packed(record: Record) -> bytes:
    return zlib.compress(pickle.dumps(replace(record, series=dict), pickle.HIGHEST_PROTOCOL), 1)


def _unpacked(packed: bytes) -> Record:
    record: Record = pickle.loads(zlib.decompress(packed))
    return record
