"""Replaces a folder as a whole: whenever the process is killed, the former one or the new one is there, complete."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write into; at the end it takes the place of ``folder``.

    What was written reaches the disk first. Then the former folder steps aside under another name and the new one
    takes its own; a process killed between the two leaves it aside, and :func:`settled` brings it back. An exception
    leaves ``folder`` as it was.

    Raises:
        OSError: it cannot be written there.
    """
    folder = settled(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear_up(folder)
    new = Path(tempfile.mkdtemp(prefix=f"{_prefix(folder)}{socket.gethostname()}-{os.getpid()}-", dir=folder.parent))
    try:
        new.chmod(0o777 & ~_umask())
        yield new
        for path in new.iterdir():
            _to_disk(path)
        _to_disk(new)
        if folder.exists():
            folder.rename(_aside(folder))
        new.rename(folder)
        _to_disk(folder.parent)
        shutil.rmtree(_aside(folder), ignore_errors=True)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        settled(folder)
        raise


def settled(folder: Path) -> Path:
    """Return the folder, brought back where a process was killed that was about to replace it."""
    folder = folder.expanduser().absolute()
    aside = _aside(folder)
    if aside.exists():
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(folder)
    return folder


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.former")


def _prefix(folder: Path) -> str:
    return f".{folder.name}.saving-"


def _clear_up(folder: Path) -> None:
    """Remove what processes of this host that are gone have begun to write."""
    start = f"{_prefix(folder)}{socket.gethostname()}-"
    for left in folder.parent.glob(f"{start}*"):
        number = left.name.removeprefix(start).partition("-")[0]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(left, ignore_errors=True)


def _to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on the disk; Windows knows it of files alone."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
