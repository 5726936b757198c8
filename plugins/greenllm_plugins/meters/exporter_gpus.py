"""Which of the GPUs on an exporter's page programs started here can use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenllm_plugins.meters.visible_devices import Card, visible

_EVERY = ("", "all", "void")
"""What ``NVIDIA_VISIBLE_DEVICES`` says where it chooses no card (NVIDIA Container Toolkit, "Environment variables")."""


@dataclass(frozen=True, slots=True)
class PageGpu:
    """A GPU on a page: its UUID, the exporter's number for it (None where it gives none), and its name."""

    uuid: str
    number: int | None
    kind: str


def own(gpus: Sequence[PageGpu], environment: Mapping[str, str]) -> tuple[set[str], str]:
    """Return the UUIDs of the GPUs that are this program's, and what cannot be told of it (empty: nothing).

    ``NVIDIA_VISIBLE_DEVICES`` chooses what a container has, and ``CUDA_VISIBLE_DEVICES`` among these.

    Args:
        gpus: of one host.
        environment: of the program.
    """
    chosen = _in_order(gpus)
    doubts: dict[str, None] = {}
    for name in ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"):
        entries = environment.get(name)
        if entries is None or (name == "NVIDIA_VISIBLE_DEVICES" and entries.strip() in _EVERY):
            continue
        entries, doubt = _by_card(name, entries, [card for card in chosen if card.uuid])
        # A container's driver numbers cards as the machine does.
        order = "PCI_BUS_ID" if name == "NVIDIA_VISIBLE_DEVICES" else environment.get("CUDA_DEVICE_ORDER", "")
        seen = visible(chosen, {"CUDA_VISIBLE_DEVICES": entries, "CUDA_DEVICE_ORDER": order})
        chosen = [chosen[place] for place in seen.cards]
        if not seen.is_certain:
            doubt = f"which GPUs {name} numbers cannot be told: name UUIDs, or set CUDA_DEVICE_ORDER=PCI_BUS_ID"
        doubts.update({doubt: None} if doubt else {})
    return {card.uuid for card in chosen if card.uuid}, "; ".join(doubts)


def _in_order(gpus: Sequence[PageGpu]) -> list[Card]:
    """Return the cards at the places that are their numbers; those that are not on the page have no UUID of note."""
    numbers = [gpu.number for gpu in gpus if gpu.number is not None]
    if len(set(numbers)) < len(gpus):
        return [Card(gpu.kind, gpu.uuid) for gpu in gpus]
    cards = [Card(gpus[0].kind, "")] * (max(numbers, default=-1) + 1)
    for gpu, number in zip(gpus, numbers, strict=True):
        cards[number] = Card(gpu.kind, gpu.uuid)
    return cards


def _by_card(name: str, entries: str, cards: Sequence[Card]) -> tuple[str, str]:
    """Return the entries with the card in place of each MIG device, once, and what cannot be told of them."""
    named: list[str] = []
    for entry in map(str.strip, entries.split(",")):
        # A MIG device by numbers, as NVIDIA_VISIBLE_DEVICES has it, by the card's UUID or number, or by its own UUID.
        older = re.fullmatch(r"MIG-(GPU-[^/]*)/\d+/\d+|(\d+):\d+", entry, re.IGNORECASE)
        if older is None and not entry.upper().startswith("MIG-"):
            named.append(entry)
            continue
        if older is None and len(cards) != 1:
            return ",".join(named), f"{name} names {entry}, and the page does not tell on which GPU that is"
        card = older[1] or older[2] if older else str(cards[0].uuid)
        named += [card] if card not in named else []
    return ",".join(named), ""
