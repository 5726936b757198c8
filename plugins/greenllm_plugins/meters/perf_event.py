"""Opens one counter of the kernel's performance events: the system call that the C library has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_CALL_NUMBERS = {"x86_64": 298, "AMD64": 298, "aarch64": 241, "i386": 336, "i686": 336}
"""Numbers of ``perf_event_open`` (Linux, ``arch/*/entry/syscalls``), by machine."""

_ATTR = struct.Struct("=IIQQQQQIIQ")
"""``struct perf_event_attr`` in its first published size: type, size, config, then what a plain count leaves 0."""

_CLOSE_ON_EXEC = 1 << 3

_NO_GROUP = -1


def open_counter(kind: int, event: int, cpu: int, process: int = -1) -> int:
    """Return a descriptor of a counter that runs, from 0; :func:`count` reads it.

    Args:
        kind: the number of the kernel's counting unit, as its ``type`` file in sysfs shows it.
        event: number of the event, as the unit numbers them.
        cpu: on which it is counted; -1: on any (one process only).
        process: whose events are counted; 0: this one; -1: all.

    Raises:
        OSError: the kernel refuses; PermissionError where ``kernel.perf_event_paranoid`` forbids it.
    """
    number = _CALL_NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(f"the number of perf_event_open on {platform.machine()} is not known")
    library = ctypes.CDLL(None, use_errno=True)
    attr = ctypes.create_string_buffer(_ATTR.pack(kind, _ATTR.size, event, 0, 0, 0, 0, 0, 0, 0), _ATTR.size)
    arguments = (process, cpu, _NO_GROUP, _CLOSE_ON_EXEC)
    file = library.syscall(ctypes.c_long(number), attr, *(ctypes.c_long(argument) for argument in arguments))
    if file < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(file)


def count(file: int) -> int:
    """Return what the counter behind a descriptor shows.

    Raises:
        OSError: it cannot be read, or counts no more (its CPU was switched off).
    """
    value = os.read(file, 8)
    if len(value) != 8:
        raise OSError("the kernel counts it no more")
    return int.from_bytes(value, "little" if struct.pack("=H", 1)[0] else "big")
