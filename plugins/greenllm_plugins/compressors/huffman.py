"""A tensor of few different values, as a codebook and canonical Huffman codes of where in it each value is.

The codes are DEFLATE's (RFC 1951, 3.2.2: canonical, made anew for each block of symbols). zlib writes them alone under
its strategy ``Z_HUFFMAN_ONLY``, without looking for repetitions; a checksum is at the end of each stream.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

MOST_VALUES: Final = 256
"""An index is a byte."""

FAR: Final = 255
"""A gap of so many zeros, after which none of the other values comes yet."""

PARTS: Final = ("codebook", "indices", "gaps")


def encoded(tensor: Tensor) -> dict[str, Tensor] | None:
    """Return ``codebook``, ``indices`` and, where that is smaller, ``gaps``; None if there are more than 256 values.

    With ``gaps`` the zeros are left out of ``indices``: each gap is how many of them come before the next other value.
    What counts is the bit pattern: a minus zero is a value of its own.
    """
    import numpy as np
    import torch

    flat = tensor.detach().cpu().contiguous().flatten()
    patterns = flat.view(_integer(flat.dtype)).numpy()
    values, places = _counted(patterns)
    if len(values) > MOST_VALUES:
        return None
    dense = _packed(places)
    codebook = torch.from_numpy(values).view(flat.dtype)
    zero = np.flatnonzero(values == 0)
    if len(zero):
        is_other = places != zero[0]
        gaps = _packed(_gaps(np.flatnonzero(is_other)))
        sparse = _packed(places[is_other])
        if len(gaps) + len(sparse) < len(dense):
            return {"codebook": codebook, "indices": _tensor(sparse), "gaps": _tensor(gaps)}
    return {"codebook": codebook, "indices": _tensor(dense)}


def decoded(codebook: Tensor, indices: Tensor, gaps: Tensor | None, shape: torch.Size) -> Tensor:
    """Return the tensor of this shape that :func:`encoded` took apart, bit for bit.

    Raises:
        ValueError: the streams are damaged, or do not go together.
    """
    import numpy as np

    count = shape.numel()
    places = _unpacked(indices, "indices", count)
    if gaps is None:
        if len(places) != count:
            raise ValueError(f"there are indices of {len(places)} values, not of {count}")
        where: Any = slice(None)
    else:
        where = _places(_unpacked(gaps, "gaps", count + 1))
        if len(where) != len(places) or (len(where) and where[-1] >= count):
            raise ValueError(f"gaps lead to {len(where)} of {count} values, and there are indices of {len(places)}")
    if len(places) and int(places.max()) >= len(codebook):
        raise ValueError(f"the codebook has {len(codebook)} values, and an index is {int(places.max())}")
    patterns = codebook.view(_integer(codebook.dtype)).numpy()
    flat = np.zeros(count, patterns.dtype)
    flat[where] = patterns[places]
    return _tensor_like(flat, codebook).reshape(shape)


def _gaps(where: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return how many values lie before each of these places, since the last; long ways in parts of ``FAR``."""
    import numpy as np

    between = np.diff(where, prepend=-1) - 1
    far = between // FAR
    ends = np.cumsum(far + 1)
    gaps = np.full(int(ends[-1]) if len(ends) else 0, FAR, np.uint8)
    gaps[ends - 1] = between % FAR
    return gaps


def _places(gaps: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the places that these gaps lead to."""
    import numpy as np

    is_place = gaps != FAR  # a part of a long way has no value at its end
    places: NDArray[np.int64] = (np.cumsum(gaps, dtype=np.int64) + np.cumsum(is_place) - 1)[is_place]
    return places


def _counted(patterns: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return the different values, and for each of the patterns which of them it is."""
    import numpy as np

    values = np.unique(patterns)
    if len(values) > MOST_VALUES:
        return values, np.empty(0, np.uint8)
    return values, np.searchsorted(values, patterns).astype(np.uint8)


def _packed(symbols: NDArray[np.uint8]) -> bytes:
    coder = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL + 1, zlib.Z_HUFFMAN_ONLY)
    return coder.compress(symbols.tobytes()) + coder.flush()


def _unpacked(stream: Tensor, name: str, most: int) -> NDArray[np.uint8]:
    """Return the symbols of a stream; a damaged one cannot make more of them than it should."""
    import numpy as np

    decoder = zlib.decompressobj()
    try:
        data = decoder.decompress(stream.numpy().tobytes(), most + 1)
    except zlib.error as error:
        raise ValueError(f"the Huffman codes of the {name} are damaged ({error})") from error
    if not decoder.eof or len(data) > most:
        raise ValueError(f"the Huffman codes of the {name} are cut off, or of another tensor")
    return np.frombuffer(data, np.uint8)


def _tensor(data: bytes) -> Tensor:
    import numpy as np
    import torch

    return torch.from_numpy(np.frombuffer(data, np.uint8).copy())


def _tensor_like(flat: NDArray[Any], codebook: Tensor) -> Tensor:
    import torch

    return torch.from_numpy(flat).view(codebook.dtype)


def _integer(dtype: torch.dtype) -> torch.dtype:
    """Return the type of integers as wide as these numbers."""
    import torch

    return {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
