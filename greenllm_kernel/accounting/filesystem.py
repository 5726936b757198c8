"""Which kind of file system a path is on: SQLite's write-ahead log needs memory shared on one machine."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

NETWORK_TYPES = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afpfs", "afs", "ncpfs", "webdav", "davfs"),
        *("lustre", "gpfs", "beegfs", "panfs", "pvfs2", "orangefs", "ceph", "glusterfs", "gfs2", "ocfs2", "coda"),
        # A host's folder seen from a virtual machine or container: locks and shared memory do not reach the host.
        *("9p", "drvfs", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "fakeowner", "grpcfuse", "osxfs"),
    }
)
"""File systems as the kernel names them that several machines can have mounted at once."""

Mount = tuple[str, str]
"""Mount point and file system type."""


def is_on_network(path: Path, mounts: Iterable[Mount] | None = None) -> bool:
    """Return whether ``path`` (which need not exist) is on a file system shared by several machines.

    Args:
        path: a file or folder.
        mounts: what is mounted where; None: asked of the operating system.
    """
    resolved = str(path.resolve())
    if sys.platform == "win32" and resolved.startswith("\\\\"):
        return True
    kind, length = "", -1
    # Of mounts on one point the last one listed lies on top.
    for point, fstype in mounts if mounts is not None else _mounts():
        if _contains(point, resolved) and len(point) >= length:
            kind, length = fstype.lower(), len(point)
    return kind in NETWORK_TYPES or kind.startswith("fuse.") or kind == "remote"


def _contains(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/\\") + ("\\" if "\\" in point else "/"))


def _mounts() -> list[Mount]:
    import psutil

    return [
        (partition.mountpoint, "remote" if "remote" in partition.opts.split(",") else partition.fstype)
        for partition in psutil.disk_partitions(all=True)
    ]
