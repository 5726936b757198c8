"""Which step may follow which: from coarse to fine, and what a method itself cannot follow."""

from __future__ import annotations

from collections.abc import Sequence

from greenllm_kernel.compression.compressor import Compressor, Kind, Refusal

ORDER = tuple(Kind)

DOES = {
    Kind.STRUCTURE: "changes the structure",
    Kind.FACTORS: "splits layers into factors",
    Kind.SPARSITY: "sets weights to 0",
    Kind.TRAINING: "trains the weights",
    Kind.SHARING: "gives them values to share",
    Kind.PRECISION: "changes the type of the weights",
    Kind.PACKING: "packs weights",
}


def conflicts(compressors: Sequence[Compressor]) -> list[Refusal]:
    """Return what is wrong with this order of steps; nothing where it will do."""
    refusals = []
    for later_index, later in enumerate(compressors):
        for earlier_index, earlier in enumerate(compressors[:later_index]):
            refusal = _conflict(earlier, later)
            if refusal is not None:
                where = f"step {later_index + 1} ({later.name}) cannot follow step {earlier_index + 1} ({earlier.name})"
                refusals.append(Refusal(f"{where}: {refusal.reason}", refusal.remedy))
    return refusals


def _conflict(earlier: Compressor, later: Compressor) -> Refusal | None:
    if earlier.name in later.not_after:
        return later.not_after[earlier.name]
    if earlier.kind == Kind.TRAINING or ORDER.index(Kind(later.kind)) >= ORDER.index(Kind(earlier.kind)):
        return None
    does, did = DOES[Kind(later.kind)], DOES[Kind(earlier.kind)]
    reason = f"{later.name} {does}, and {earlier.name} {did}, which comes after that"
    return Refusal(reason, f"Put {later.name} before {earlier.name}.")
