"""The compressors that there are, by name: those of the plugins."""

from __future__ import annotations

from typing import Any, Final

from greenllm_kernel.compression.compressor import Compressor, Kind, Saves
from greenllm_kernel.compression.offers import Offers, check_config_class, check_members
from greenllm_kernel.errors import RecipeError


class Catalogue(Offers[Compressor]):
    """Compressors by name."""

    what = "compressor"
    hook = "greenllm_compressors"
    error = RecipeError

    @classmethod
    def admitted(cls, offered_class: Any) -> tuple[str, Compressor]:
        compressor = offered_class()
        check_members(compressor, _MEMBERS)
        check_config_class(compressor.config_class)
        Kind(compressor.kind)
        for saves in compressor.expects_to_save:
            Saves(saves)
        return compressor.name, compressor


_MEMBERS: Final = (
    *("name", "config_class", "kind", "expects_to_save", "not_after", "needs_calibration", "needs_training"),
    *("check", "convert", "tensors", "restore"),
)
