"""How far a student's hidden states are from its teacher's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class HiddenLikeness:
    """Compares layer by layer, at the same relative depth.

    Args:
        teacher: in evaluation mode.
        student: where it is less or more wide, its states go through a matrix first.

    Attributes:
        projections: those matrices, by the layer's number; to be trained with the student.
    """

    def __init__(self, teacher: Any, student: Any) -> None:
        self._teacher = teacher
        self.projections = nn.ModuleDict()
        self._widths = student.config.hidden_size, teacher.config.hidden_size
        if self._widths[0] != self._widths[1]:
            for number in range(student.config.num_hidden_layers + 1):
                self.projections[str(number)] = nn.Linear(*self._widths, bias=False, device=student.device)

    def __call__(self, states: Sequence[Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the mean over the layers of the squared distance, by the teacher's mean square.

        Args:
            states: of the student: embeddings, then each layer's, (batch, length, width).
            inputs: what the teacher is called with.
        """
        with torch.no_grad():
            taught = self._teacher(**inputs, output_hidden_states=True).hidden_states
        mask = inputs.get("attention_mask")
        distances = []
        for number, own in enumerate(states):
            wanted = taught[round(number * (len(taught) - 1) / (len(states) - 1))]
            projected = self.projections[str(number)](own) if self.projections else own
            if mask is not None:
                projected, wanted = projected[mask != 0], wanted[mask != 0]
            distances.append((projected - wanted).square().mean() / wanted.square().mean())
        return torch.stack(distances).mean()
