"""Opens AMD SMI, the library of ROCm that the package ``amdsmi`` loads, for all in this process who use it."""

from __future__ import annotations

import ctypes
import os
import threading
from importlib.util import find_spec
from types import ModuleType

LIBRARY = "libamd_smi.so"

_lock = threading.Lock()
_users = 0
"""How many have the library open: it does not count them itself, and shuts down at the first that asks."""


def has_library() -> bool:
    """Tell whether the library can be loaded, from where the package looks for it.

    Without it, importing the package prints and raises.
    """
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


def start(smi: ModuleType) -> None:
    """Open the library, unless it is; :func:`stop` gives it back.

    Raises:
        AmdSmiException: it cannot be opened (the package's own type).
    """
    global _users
    with _lock:
        if _users == 0:
            smi.amdsmi_init()
        _users += 1


def stop(smi: ModuleType) -> None:
    """Give the library back."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            smi.amdsmi_shut_down()


def shows_gpus() -> bool:
    """Tell whether the package and the library are there, can be opened by this user, and show a GPU."""
    if find_spec("amdsmi") is None or not has_library():
        return False
    try:
        import amdsmi
    except (ImportError, AttributeError, KeyError, OSError):
        return False
    try:
        start(amdsmi)
    except amdsmi.AmdSmiException:
        return False
    try:
        return bool(amdsmi.amdsmi_get_processor_handles())
    except amdsmi.AmdSmiException:
        return False
    finally:
        stop(amdsmi)
