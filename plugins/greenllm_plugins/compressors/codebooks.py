"""Weights that share values: each layer's few values, and their training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

MOST_ROUNDS = 1000
"""Of k-means; it is nearly always done long before."""


class Codebook:
    """One layer's values. Its weights become the nearest of them; those that are 0 stay 0.

    Args:
        parameter: the weights, float32.
        bits: there are 2 to so many values, 0 among them where weights are 0.
    """

    def __init__(self, parameter: nn.Parameter, bits: int) -> None:
        flat = parameter.detach().cpu().numpy().reshape(-1)
        is_zero = flat == 0
        found = centroids(flat[~is_zero], 2**bits - bool(is_zero.any()))
        places = np.where(is_zero, len(found), nearest(flat, found))
        self._parameter = parameter
        self._places = torch.from_numpy(places).to(parameter.device)
        self.values = nn.Parameter(torch.from_numpy(found).to(parameter.device))
        self.write()

    def write(self) -> None:
        """Give the weights their values."""
        with_zero = torch.cat([self.values.detach(), self.values.new_zeros(1)])
        self._parameter.data.copy_(with_zero[self._places].reshape(self._parameter.shape))

    def gather(self) -> None:
        """Give each value the sum of its weights' gradients (Han et al., arXiv:1510.00149, equation 3)."""
        slopes = self._parameter.grad
        if slopes is not None:
            sums = torch.bincount(self._places, slopes.reshape(-1), len(self.values) + 1)
            self.values.grad = sums[:-1].to(self.values.dtype)


class Codebooks:
    """The constraint that weights keep sharing their values while these are trained.

    Args:
        model: whose weights.
        books: of its layers.
    """

    def __init__(self, model: nn.Module, books: Sequence[Codebook]) -> None:
        self._model = model
        self._books = books

    @property
    def values(self) -> list[nn.Parameter]:
        """What is trained."""
        return [book.values for book in self._books]

    def before_step(self) -> None:
        """Bring the gradients together."""
        for book in self._books:
            book.gather()
        for parameter in self._model.parameters():
            parameter.grad = None

    def after_step(self) -> None:
        """Give the weights their new values."""
        for book in self._books:
            book.write()


def centroids(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return centroids of these values, in ascending order: at most ``count``.

    Lloyd's algorithm. In one dimension a cluster is an interval of the sorted values, so that a round takes two
    look-ups a centroid. It starts with centroids evenly between the smallest value and the largest, since large weights
    are few and matter most (Han et al., arXiv:1510.00149, section 3.2).
    """
    ordered = np.sort(values.astype(np.float64))
    if not len(ordered):
        return np.zeros(0, np.float32)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    found = np.linspace(ordered[0], ordered[-1], count)
    for _ in range(MOST_ROUNDS):
        edges = _edges(ordered, found)
        sizes, totals = np.diff(edges), np.diff(sums[edges])
        moved = np.sort(np.where(sizes > 0, totals / np.maximum(sizes, 1), found))
        if np.array_equal(moved, found):
            break
        found = moved
    is_used = np.diff(_edges(ordered, found)) > 0
    return np.unique(found[is_used].astype(np.float32))


def nearest(values: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return for each value the number of the centroid next to it."""
    return np.searchsorted((found[1:] + found[:-1]) / 2, values)


def _edges(ordered: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return where in the sorted values each cluster begins, and where the last one ends."""
    inner = np.searchsorted(ordered, (found[1:] + found[:-1]) / 2)
    return np.concatenate([[0], inner, [len(ordered)]])
