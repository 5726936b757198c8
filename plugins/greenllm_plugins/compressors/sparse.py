"""A tensor with many zeros, as a bit for each value and the values that are not 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def packed(tensor: Tensor) -> dict[str, Tensor]:
    """Return ``mask`` (uint8, eight values a byte, the first in the highest bit) and ``values`` (flat, in order).

    What counts is the bit pattern: a minus zero is kept as it is.
    """
    import numpy as np
    import torch

    flat = tensor.detach().cpu().contiguous().flatten()
    stays = (flat != 0) | torch.signbit(flat)
    bits = torch.from_numpy(np.packbits(stays.numpy()))
    return {"mask": bits, "values": flat[stays]}


def unpacked(mask: Tensor, values: Tensor, shape: torch.Size) -> Tensor:
    """Return the tensor of this shape that :func:`packed` took apart.

    Raises:
        ValueError: mask and values do not go together.
    """
    import numpy as np
    import torch

    count = shape.numel()
    if mask.numel() != -(-count // 8):
        raise ValueError(f"a mask of {mask.numel()} bytes does not fit {count} values")
    stays = torch.from_numpy(np.unpackbits(mask.numpy(), count=count).astype(bool))
    if int(stays.sum()) != values.numel():
        raise ValueError(f"{values.numel()} values do not fit a mask of {int(stays.sum())}")
    tensor = torch.zeros(count, dtype=values.dtype)
    tensor[stays] = values
    return tensor.reshape(shape)
