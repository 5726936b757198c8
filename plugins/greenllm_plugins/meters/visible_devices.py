"""Which GPUs ``CUDA_VISIBLE_DEVICES`` lets a program see: the rules by which CUDA reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MigDevice:
    """A part of a card that MIG has made a device of its own.

    Attributes:
        uuid: such as ``"MIG-d184f67c-..."``.
        gpu_instance, compute_instance: its numbers on the card, in the older form of its name.
    """

    uuid: str
    gpu_instance: int
    compute_instance: int


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as far as CUDA's rules ask.

    Attributes:
        kind: its name; cards of one kind are equally fast.
        uuid: such as ``"GPU-8932f937-..."``; None where this user may not open the card, and CUDA passes it over.
        mig_devices: what MIG has made of it.
    """

    kind: str
    uuid: str | None
    mig_devices: Sequence[MigDevice] = ()


@dataclass(frozen=True, slots=True)
class Visible:
    """What a program sees.

    Attributes:
        cards: places of the visible cards, in the order of the machine.
        is_certain: False where only some of ``cards`` are visible, and which ones cannot be told.
    """

    cards: tuple[int, ...]
    is_certain: bool = True


def visible(cards: Sequence[Card], environment: Mapping[str, str]) -> Visible:
    """Return which cards CUDA shows to a program with this environment.

    Entries of ``CUDA_VISIBLE_DEVICES`` are indices, UUIDs, beginnings of UUIDs that fit one card, and MIG devices;
    the first that names nothing ends the list, and one that comes twice empties it. Indices are CUDA's: fastest card
    first, unless ``CUDA_DEVICE_ORDER`` is ``PCI_BUS_ID``. What "fastest" means is not published, so where cards are
    of several kinds an index tells only that some of them are visible.

    Source: NVIDIA, *CUDA Programming Guide*, "CUDA Environment Variables"; the repeated entry: PyTorch,
    ``torch.cuda._parse_visible_devices``.

    Args:
        cards: in the order of their PCI bus ids, which is NVML's.
        environment: of the program.
    """
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return Visible(tuple(range(len(cards))))
    usable = [place for place, card in enumerate(cards) if card.uuid is not None]
    named: list[tuple[int, str]] = []
    has_index = False
    for entry in map(str.strip, chosen.split(",")):
        found = _named(entry, cards, usable)
        if found is None:
            break
        if found in named:
            return Visible(())
        named.append(found)
        has_index = has_index or not entry.upper().startswith(("GPU-", "MIG-"))
    places = tuple(sorted({place for place, _ in named}))
    in_bus_order = environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    is_of_one_kind = len({cards[place].kind for place in usable}) <= 1
    if not has_index or in_bus_order or is_of_one_kind or len(places) == len(usable):
        return Visible(places)
    return Visible(tuple(usable), is_certain=False)


def _named(entry: str, cards: Sequence[Card], usable: Sequence[int]) -> tuple[int, str] | None:
    """Return the card that an entry names, and the MIG device on it ("" for the card itself), if it names one."""
    kind = entry[:4].upper()
    if kind == "GPU-":
        return _only([(place, "") for place in usable if _begins(cards[place].uuid, entry)])
    if kind == "MIG-":
        return _only(
            [
                (place, mig.uuid)
                for place in usable
                for mig in cards[place].mig_devices
                if _is_mig(entry, cards[place], mig)
            ]
        )
    number = re.match(r"[+-]?\d+", entry)
    if number is None or not 0 <= int(number[0]) < len(usable):
        return None
    return usable[int(number[0])], ""


def _is_mig(entry: str, card: Card, mig: MigDevice) -> bool:
    older = re.fullmatch(r"MIG-(GPU-[^/]*)/(\d+)/(\d+)", entry, re.IGNORECASE)
    if older is None:
        return _begins(mig.uuid, entry)
    numbers = int(older[2]), int(older[3])
    return _begins(card.uuid, older[1]) and numbers == (mig.gpu_instance, mig.compute_instance)


def _begins(uuid: str | None, start: str) -> bool:
    return uuid is not None and uuid.lower().startswith(start.lower())


def _only(found: Sequence[tuple[int, str]]) -> tuple[int, str] | None:
    return found[0] if len(found) == 1 else None
