"""How far a student's hidden states are from its teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class HiddenLikeness:
    """Compares layer by layer, at the same relative depth.

    Args:
        student: its config; where it is less or more wide than the teacher, its states go through a matrix first.
        teacher: its config.
        device: of the student.

    Attributes:
        projections: those matrices, by the layer's number; to be trained with the student.
    """

    def __init__(self, student: Any, teacher: Any, device: torch.device) -> None:
        self.projections = nn.ModuleDict()
        widths = student.hidden_size, teacher.hidden_size
        if widths[0] != widths[1]:
            for number in range(student.num_hidden_layers + 1):
                self.projections[str(number)] = nn.Linear(*widths, bias=False, device=device)

    def __call__(self, states: Sequence[Tensor], taught: Sequence[Tensor], mask: Tensor | None) -> Tensor:
        """Return the mean over the layers of the squared distance, by the teacher's mean square.

        Args:
            states: of the student: embeddings, then each layer's, (batch, length, width).
            taught: those of the teacher.
            mask: (batch, length), 0 where there is padding.
        """
        distances = []
        for number, own in enumerate(states):
            wanted = taught[round(number * (len(taught) - 1) / (len(states) - 1))]
            projected = self.projections[str(number)](own) if self.projections else own
            if mask is not None:
                projected, wanted = projected[mask != 0], wanted[mask != 0]
            distances.append((projected - wanted).square().mean() / wanted.square().mean())
        return torch.stack(distances).mean()
