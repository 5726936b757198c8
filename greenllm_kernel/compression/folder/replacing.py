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

from greenllm_kernel.errors import ModelFolderError


@contextmanager
def replaced(folder: Path, mark: str) -> Iterator[Path]:
    """Give an empty folder to write into; at the end it takes the place of ``folder``.

    What was written reaches the disk first. Then the former folder steps aside under another name and the new one
    takes its own; a process killed between the two leaves it aside, and :func:`settled` brings it back. An exception
    leaves ``folder`` as it was.

    Args:
        folder: where.
        mark: the file by which a folder is known as one that was written so; no other is replaced.

    Raises:
        ModelFolderError: what is there may not be replaced.
        OSError: it cannot be written there.
    """
    folder = settled(folder)
    _check_replaceable(folder, mark)
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


def _check_replaceable(folder: Path, mark: str) -> None:
    """See that nothing is lost with a folder: it is not there, empty, or of our making, with our files alone.

    A ``config.json`` is no sign of that: folders of transformers' trainers have one, beside checkpoints of hours. Nor
    is the mark alone: whoever trained in a folder of ours has checkpoints there, in folders, of which we make none.
    """
    remedy = "replacing it would delete that: name another folder, or empty this one"
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ModelFolderError(f"{folder} is a file; name a folder")
    if any(folder.iterdir()) and not (folder / mark).is_file():
        raise ModelFolderError(f"{folder} holds something that was not saved so (it has no {mark}), and {remedy}")
    if inside := sorted(path.name for path in folder.iterdir() if path.is_dir()):
        raise ModelFolderError(f"{folder} holds a folder that was not saved with it ({inside[0]}), and {remedy}")


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
