"""``greenllm tutorials``: the tutorial notebooks, copied to where the user wants them."""

from __future__ import annotations

import shutil
from pathlib import Path

import greenllm_kernel
from greenllm_kernel.cli.command_error import CommandError
from greenllm_kernel.cli.output import console


def tutorials(folder: Path, force: bool = False) -> int:
    """Copy the notebooks into ``folder``; files changed there are kept unless ``force``.

    Raises:
        CommandError: the notebooks are not installed, or the folder cannot be written.
    """
    source = tutorial_folder()
    to = console()
    for path in sorted(path for path in source.rglob("*") if path.is_file() and not _is_by_product(path, source)):
        target = folder / path.relative_to(source)
        try:
            to.print(_copied(path, target, force), markup=False)
        except OSError as error:
            raise CommandError(f"{target} cannot be written ({error.strerror}); choose another folder") from error
    to.print(f"Open them with: jupyter lab {folder}", markup=False)
    return 0


def tutorial_folder() -> Path:
    """Return where the notebooks are: in the package, in Jupyter's data, or in the repository beside the package.

    Raises:
        CommandError: nowhere.
    """
    from jupyter_core.paths import jupyter_path

    package = Path(greenllm_kernel.__file__).parent
    shared = [Path(folder) for folder in jupyter_path("greenllm", "notebooks")]
    for folder in (package / "notebooks", *shared, package.parent / "notebooks"):
        if any(folder.glob("*.ipynb")):
            return folder
    raise CommandError("the tutorial notebooks are not installed; reinstall greenllm")


def _copied(path: Path, target: Path, force: bool) -> str:
    content = path.read_bytes()
    if target.exists() and target.read_bytes() != content and not force:
        return f"kept    {target} (it was changed; --force replaces it)"
    if target.exists() and target.read_bytes() == content:
        return f"same    {target}"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    return f"written {target}"


def _is_by_product(path: Path, source: Path) -> bool:
    inside = path.relative_to(source)
    return any(part.startswith((".", "__")) for part in inside.parts) or path.name.endswith(".energy.html")
