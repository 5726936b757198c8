"""When a channel is to be read next, so that its counter's ticks are known and little is spent on reading.

While a counter's ticks are unknown it is read in a short burst. Once they are, one read in mid-tick tells its
value at the tick before. Reads at a predicted tick halve what is uncertain about it until little is left, and
now and then a read just before or just after it makes sure that the clock still holds (a loop that only
predicts drifts off).
"""

from __future__ import annotations

from greenllm_kernel.metering.tracing.trace import Trace

READ_PERIOD_S = 0.1
"""How often a channel without ticks is read, s."""

BURST_READS = 8
"""Reads in a tick while its phase is unknown: brackets of an eighth of the period lock the clock."""

SHORTEST_SPACING_NS = 3_000_000
"""Reads of a burst come closer together while each brings a change, down to about this."""

BURST_TICKS = 4
"""How many ticks a burst may last: a counter that stands still shows none."""

SHORTEST_APART_S = 0.0125
"""However often windows open and close, a channel is not read again sooner than this, s, or than costs allow."""

EAGER_TICKS = 4
"""For how many ticks after a window opened or closed every tick is read, as far as the costs allow."""

MANY_BEGINS = 8
"""Where windows open and close more often than this in a second, what reads cost counts in these ticks too."""

EAGERNESS = 8.0
"""Even then reads are spaced less widely in them than costs would have it, by this factor."""

BURST_AGAIN_S = 8.0
"""When a burst that found no ticks is tried again, s; later by as much as reads have to be spaced more widely."""

UNLOCKED_SPACING = 0.618
"""Reads in units of the period where a burst could not lock the clock (a busy interpreter delays reads): an
irrational spacing puts the brackets at ever other phases, so that they narrow one another."""

NARROW_TO = 1 / 32
"""A tick known to within this part of the period (half-width) is known well enough."""

CHECK_EVERY_NS = 1_300_000_000
"""How often the clock is checked with a read beside a predicted tick."""

CHECK_MARGIN_NS = 1_000_000
"""How far outside a tick's interval a check is read."""


class Schedule:
    """The next read of one channel.

    Args:
        trace: of the channel.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._period_ns = trace.channel.update_period_s * 1e9
        self._least_ns = int(trace.channel.read_spacing_s * 1e9)
        self._read_ns = -(10**12)
        self._due_ns = 0
        self._slack_ns = 0
        self._early_ns = 0
        self._counted_from_ns = 0
        self._begins = 0
        self._is_pressed = False
        self._burst_left = 0
        self._burst_from_ns = 0
        self._burst_reads = BURST_READS
        self._eager_until_ns = 0
        self._checked_ns = 0
        self._checks = 0
        self._narrowings = 0
        self.stride = 1.0

    def begin(self, now_ns: int, learn_from_ns: int = 0) -> None:
        """A window opened or closed: read at once, and learn the ticks, where they are unknown, from an instant on."""
        if now_ns - self._counted_from_ns > 1e9:
            self._counted_from_ns, self._begins = now_ns, 0
        self._begins += 1
        self._is_pressed = self._begins > MANY_BEGINS
        spacing_ns = max(self._least_ns, int(SHORTEST_APART_S * 1e9 * (self.stride if self._is_pressed else 1.0)))
        self._due_ns, self._early_ns = max(now_ns, self._read_ns + spacing_ns), 0
        self._burst_left, self._burst_reads = BURST_READS * BURST_TICKS, BURST_READS
        self._burst_from_ns = learn_from_ns
        self._eager_until_ns = now_ns + int(EAGER_TICKS * max(self._period_ns, READ_PERIOD_S * 1e9))

    def postpone(self, until_ns: int) -> None:
        """Do not read before ``until_ns``: the last read failed."""
        self._due_ns = until_ns

    def is_learning(self, now_ns: int) -> bool:
        """Whether the ticks are unknown and worth a burst."""
        clock = self._trace.clock
        return clock is not None and not clock.is_fast and clock.next_tick(now_ns) is None

    @property
    def burst_ns(self) -> int:
        """How long a burst lasts that finds its ticks soon."""
        return int(2 * self._period_ns)

    @property
    def due_ns(self) -> int:
        """When to read next."""
        return self._due_ns

    def joins(self, now_ns: int) -> bool:
        """Whether to be read in a round at ``now_ns``: due, nearly so, or spaced widely and in mid-tick just now."""
        if now_ns >= self._due_ns - self._slack_ns:
            return True
        clock = self._trace.clock
        if clock is None or now_ns < self._due_ns - self._early_ns:
            return False
        upcoming = clock.next_tick(now_ns)
        return upcoming is not None and 0.25 < (upcoming[0] - now_ns) / clock.period_ns < 0.75

    def was_read(self, at_ns: int) -> None:
        """Set the next read after one at ``at_ns``."""
        self._read_ns = at_ns
        clock = self._trace.clock
        eager = max(1.0, self.stride / EAGERNESS) if self._is_pressed else 1.0
        stride = eager if at_ns < self._eager_until_ns else self.stride
        if clock is None or clock.is_fast:
            spacing_ns = max(READ_PERIOD_S * 1e9, self._period_ns) * stride
            self._set(at_ns + spacing_ns, spacing_ns / 4)
            return
        upcoming = clock.next_tick(at_ns)
        if upcoming is None:
            self._set(at_ns + self._burst_spacing_ns(at_ns, stride), 0)
            return
        self._burst_left = 0
        tick_ns, half_ns = upcoming
        period_ns = clock.period_ns
        is_beside_tick = min(tick_ns - at_ns, period_ns - (tick_ns - at_ns)) < period_ns / 4
        reach = max(0, clock.reach - 1)
        saved_ns = min(round(stride - 1), reach) * period_ns
        usual = 0 if at_ns < self._eager_until_ns else round(READ_PERIOD_S * 1e9 / period_ns - 1)
        skipped_ns = max(saved_ns, min(usual, reach) * period_ns)
        self._early_ns = int(saved_ns / 2)
        if is_beside_tick:
            middle_ns = tick_ns + (0.5 if tick_ns - at_ns < period_ns / 2 else -0.5) * period_ns
            self._set(middle_ns + saved_ns, period_ns / 5)
        elif half_ns > NARROW_TO * period_ns:
            # Reads come late rather than early: only now and then one before the tick narrows its other side.
            self._narrowings += 1
            self._set(tick_ns - (half_ns / 2 if self._narrowings % 2 else 0), 0)
        elif at_ns - self._checked_ns > max(CHECK_EVERY_NS, 4 * skipped_ns):
            self._checked_ns = at_ns
            self._checks += 1
            side = 1 if self._checks % 2 else -1
            self._set(tick_ns + side * (half_ns + CHECK_MARGIN_NS), 0)
        else:
            self._set(tick_ns + period_ns / 2 + skipped_ns, period_ns / 5)

    def _set(self, due_ns: float, slack_ns: float) -> None:
        self._due_ns = max(int(due_ns), self._read_ns + self._least_ns)
        self._slack_ns = int(min(slack_ns, self._due_ns - self._read_ns - self._least_ns))

    def _burst_spacing_ns(self, at_ns: int, stride: float) -> int:
        clock = self._trace.clock
        assert clock is not None
        if self._burst_left == 0:
            self._burst_left, self._burst_reads = BURST_READS * BURST_TICKS, BURST_READS
            self._burst_from_ns = at_ns + int(BURST_AGAIN_S * 1e9 * stride)
        if at_ns >= self._burst_from_ns:
            self._burst_left -= 1
            if clock.is_too_slowly_read and self._period_ns / self._burst_reads > SHORTEST_SPACING_NS:
                self._burst_reads *= 2
                self._burst_left += BURST_READS
            return int(min(self._period_ns / self._burst_reads, clock.period_ns / BURST_READS))
        return int(UNLOCKED_SPACING * clock.period_ns * stride)
