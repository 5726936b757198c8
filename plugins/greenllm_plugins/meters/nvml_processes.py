"""Whose use of an NVIDIA GPU it is, by what NVML tells of the processes on it."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Collection
from types import ModuleType
from typing import Any

from greenllm_kernel.metering.meter import Usage

SAMPLE_DELAY_US = 1_200_000
"""By when a sample of the driver's has surely come, µs: it takes one each 1/6 to 1 s (NVML, ``nvmlUtilization_t``)."""

FULL_PERCENT = 100

INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""Inode of the host's namespace of process ids (Linux, ``include/linux/proc_ns.h``, ``PROC_PID_INIT_INO``)."""

WHOLE_CARD = "the figure is the whole card's: with MIG on, NVML does not tell whose use of it that is"
ELSEWHERE = "NVML does not show this process by its own number, so whose use of the GPU it is cannot be told"
CONTAINED = f"{ELSEWHERE}; in a container: start it with the host's process ids (docker run --pid=host)"
SHARED = "several programs hold this GPU, and on this card NVML does not tell how much each of them uses it"
HIDDEN = "this GPU is in use, and NVML does not show by whom"
ONLY_HERE = (
    "on this card NVML tells only which programs hold it, and in a container only the container's own; "
    "start it with the host's process ids (docker run --pid=host)"
)


class ProcessUse:
    """How long one GPU has been kept busy, by some processes and by all, added up from call to call.

    ``nvmlDeviceGetProcessUtilization`` gives one sample for each process that has used the GPU since the last one seen:
    the part of that time, in percent, in which its kernels ran. In a container samples of processes outside it may be
    missing, so that all use is at least that of the whole card. That is told also where nothing is known of processes
    (``nvmlDeviceGetSamples``; not with MIG). Where the card or driver has no such samples, the list
    of processes that hold the card must do: all of its use is theirs.

    Args:
        nvml: the binding.
        handle: of the card.
        channel_id: of the card's channel.
        is_partitioned: whether MIG is on.
    """

    def __init__(self, nvml: ModuleType, handle: Any, channel_id: str, is_partitioned: bool) -> None:
        self._nvml = nvml
        self._handle = handle
        self._channel_id = channel_id
        self._is_partitioned = is_partitioned
        self._has_samples = True
        self._own_s = self._all_s = 0.0
        self._until_us: int | None = None
        self._until_ns = 0

    def usage(self, own: Collection[int], is_contained: bool, doubt: str | None = None) -> Usage:
        """Return how long the processes ``own``, and all, have kept the card busy.

        Args:
            own: process ids.
            is_contained: whether there may be processes that NVML does not show.
            doubt: why ``own`` may not be the numbers that NVML gives to these processes; None where they are.

        Raises:
            NVMLError: what the driver says of this card.
        """
        t_ns = time.monotonic_ns()
        if self._is_partitioned:
            return self.fault(WHOLE_CARD, t_ns)
        if self._until_us is None:
            self._until_us, self._until_ns = time.time_ns() // 1000, t_ns
        if doubt is not None:
            return self._of_nobody(doubt, t_ns)
        if self._has_samples:
            try:
                self._add_samples(own, is_contained, t_ns)
                return Usage(self._channel_id, self._own_s, self._all_s, self._until_ns)
            except self._nvml.NVMLError as error:
                if error.value not in (self._nvml.NVML_ERROR_NOT_SUPPORTED, self._nvml.NVML_ERROR_FUNCTION_NOT_FOUND):
                    raise
                self._has_samples = False
        return self._by_holders(own, is_contained, t_ns)

    def holders(self) -> set[int]:
        """Return the processes that hold the card for computing, as far as NVML shows them."""
        return {process.pid for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)}

    def is_shared(self) -> bool:
        """Return whether other programs are seen to hold the card as well now."""
        try:
            return not is_contained() and bool(self.holders() - {os.getpid()})
        except self._nvml.NVMLError:
            return False

    def fault(self, reason: str, t_ns: int) -> Usage:
        """Return that it cannot be told, and why."""
        return Usage(self._channel_id, math.nan, math.nan, t_ns, reason)

    def _of_nobody(self, reason: str, t_ns: int) -> Usage:
        """Return why it cannot be told whose the use was, and how much of it there was, where the card says so."""
        assert self._until_us is not None
        now_us = time.time_ns() // 1000
        seen_us = min(self._until_us, now_us)
        try:
            percent, newest_us = self._card_percent_since(seen_us, now_us)
        except self._nvml.NVMLError:
            return self.fault(reason, t_ns)
        if newest_us > seen_us:
            self._all_s += min(newest_us - seen_us, (t_ns - self._until_ns) // 1000) * 1e-6 * percent / FULL_PERCENT
            self._until_ns = max(self._until_ns, t_ns - (now_us - newest_us) * 1000)
        # Without a sample nothing is known: the card was not idle for that.
        self._until_us = max(newest_us, seen_us)
        return Usage(self._channel_id, math.nan, self._all_s, self._until_ns, reason)

    def _add_samples(self, own: Collection[int], is_contained: bool, t_ns: int) -> None:
        now_us = time.time_ns() // 1000
        assert self._until_us is not None
        # The samples are stamped with the wall clock, which may have been set back.
        seen_us = min(self._until_us, now_us)
        percent, newest_us = self._percent_since(seen_us, now_us)
        all_percent = sum(percent.values())
        if is_contained:
            card_percent, card_newest_us = self._card_percent_since(seen_us, now_us)
            all_percent, newest_us = max(all_percent, card_percent), max(newest_us, card_newest_us)
        if newest_us > seen_us:
            elapsed_us = (t_ns - self._until_ns) // 1000
            busy_s = min(newest_us - seen_us, elapsed_us) * 1e-6 / max(FULL_PERCENT, all_percent)
            self._all_s += busy_s * all_percent
            self._own_s += busy_s * sum(share for pid, share in percent.items() if pid in own)
            self._until_us = newest_us
        else:
            self._until_us = max(seen_us, now_us - SAMPLE_DELAY_US)
        self._until_ns = max(self._until_ns, t_ns - (now_us - self._until_us) * 1000)

    def _percent_since(self, seen_us: int, now_us: int) -> tuple[dict[int, float], int]:
        """Return by process how much of the time since ``seen_us`` it used the card, and until when that counts."""
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(self._handle, seen_us)
        except self._nvml.NVMLError as error:
            if error.value == self._nvml.NVML_ERROR_NOT_FOUND:  # nobody has used the card
                return {}, seen_us
            raise
        percent: dict[int, float] = defaultdict(float)
        counts: Counter[int] = Counter()
        newest_us = seen_us
        for sample in samples:
            # Some drivers return a whole buffer of which most was never written (github.com/Syllo/nvtop/issues/110).
            if sample.smUtil <= FULL_PERCENT and seen_us < sample.timeStamp <= now_us and sample.pid > 0:
                percent[sample.pid] += sample.smUtil
                counts[sample.pid] += 1
                newest_us = max(newest_us, sample.timeStamp)
        most = max(counts.values(), default=1)
        return {pid: total / most for pid, total in percent.items()}, newest_us

    def _card_percent_since(self, seen_us: int, now_us: int) -> tuple[float, int]:
        """Return for how much of the time since ``seen_us`` the card was busy, and until when that counts."""
        try:
            _, samples = self._nvml.nvmlDeviceGetSamples(self._handle, self._nvml.NVML_GPU_UTILIZATION_SAMPLES, seen_us)
        except self._nvml.NVMLError as error:
            if error.value == self._nvml.NVML_ERROR_NOT_FOUND:
                return 0.0, seen_us
            raise
        valid = [sample for sample in samples if seen_us < sample.timeStamp <= now_us]
        percent = [sample.sampleValue.uiVal for sample in valid if sample.sampleValue.uiVal <= FULL_PERCENT]
        newest_us = max((sample.timeStamp for sample in valid), default=seen_us)
        return (sum(percent) / len(percent) if percent else 0.0), newest_us

    def _by_holders(self, own: Collection[int], is_contained: bool, t_ns: int) -> Usage:
        if is_contained:
            return self._of_nobody(ONLY_HERE, t_ns)
        holders = self.holders()
        ours = holders.intersection(own)
        if ours and ours != holders:
            return self._of_nobody(SHARED, t_ns)
        if not holders and self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu > 0:
            return self._of_nobody(HIDDEN, t_ns)
        elapsed_s = (t_ns - self._until_ns) * 1e-9
        self._until_ns = t_ns
        self._all_s += elapsed_s if holders else 0.0
        self._own_s += elapsed_s if ours else 0.0
        return Usage(self._channel_id, self._own_s, self._all_s, t_ns, is_held=True)


def is_contained() -> bool:
    """Return whether this process has other process ids than the host has for it."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino != INITIAL_PID_NAMESPACE
    except OSError:
        return False


def has_cuda_context() -> bool:
    """Return whether torch uses a GPU in this process, without importing it."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return False
    has_context = getattr(sys.modules["torch"]._C, "_cuda_hasPrimaryContext", None)
    return has_context is None or any(has_context(device) for device in range(cuda.device_count()))
