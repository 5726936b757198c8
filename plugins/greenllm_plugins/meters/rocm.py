"""Finds the library of ROCm that the package ``amdsmi`` loads: without it, importing the package prints and raises."""

from __future__ import annotations

import ctypes
import os
from importlib.util import find_spec

LIBRARY = "libamd_smi.so"


def has_library() -> bool:
    """Tell whether the library can be loaded, from where the package looks for it."""
    package = find_spec("amdsmi")
    roots = [os.environ.get("ROCM_HOME"), os.environ.get("ROCM_PATH"), "/opt/rocm"]
    places = [LIBRARY, *(f"{root}/lib/{LIBRARY}" for root in roots if root)]
    places += [f"{folder}/{LIBRARY}" for folder in (package and package.submodule_search_locations) or ()]
    for place in places:
        try:
            ctypes.CDLL(place)
        except OSError:
            continue
        return True
    return False
