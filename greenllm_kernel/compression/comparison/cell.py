"""One cell of a comparison's table: energy, speed and memory of a contender in one phase at one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from greenllm_kernel.accounting.channel_energy import energy_to_dict
from greenllm_kernel.quantities import Energy, Interval, Provenance


@dataclass(frozen=True)
class Cell:
    """What one contender drew and how fast it was, in one phase at one batch.

    Attributes:
        contender: its name.
        phase: ``prefill``, ``decode`` or ``generate``; ``request`` of models that do not generate.
        batch: sequences side by side.
        unit: ``token`` (of the prompt in prefill, else new ones), or ``request``.
        trials: that it rests on.
        gross: of one unit, J; its random part is how far the trials' mean may be off. None where it is not known.
        net: the same beyond what the idle machine would have drawn; None where that is not known.
        rate: units per second.
        rate_interval: 95 %, by how the trials scatter; None for a single trial.
        first_token_s: from the beginning to the first new token, s, the median; None where nothing is generated.
        latency_p99_s: of 100 new tokens after the first (or requests) 99 came within this time, s.
        peak_memory_bytes: of the weights and all that working with them takes; None where that cannot be told.
        missing: labels of the parts of the machine that should count and could not be read throughout.
    """

    contender: str
    phase: str
    batch: int
    unit: str
    trials: int
    gross: Energy | None
    net: Energy | None
    rate: float
    rate_interval: Interval | None
    first_token_s: float | None
    latency_p99_s: float | None
    peak_memory_bytes: int | None
    missing: Sequence[str] = ()

    @property
    def provenance(self) -> Provenance:
        """How the energy was come by: the weakest of its parts."""
        return self.gross.provenance if self.gross else Provenance.UNAVAILABLE

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        net = self.net
        return {
            **{key: value for key, value in asdict(self).items() if key not in ("gross", "net")},
            **energy_to_dict(self.gross),
            "net_j": net.value_j if net else None,
            "net_interval_j": list(net.interval_j) if net else None,
        }
