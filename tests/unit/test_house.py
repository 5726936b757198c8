"""The house keeps its order: what loads, which way imports point, what is installed, and that names agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from greenllm_kernel import __version__, hookspecs
from greenllm_kernel.plugins import Plugins

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("greenllm_"))
HEAVY = [
    *("accelerate", "amdsmi", "codecarbon", "matplotlib", "numpy", "pandas", "prometheus_client", "pynvml"),
    *("executorch", "nncf", "onnx", "onnxruntime", "openvino", "tokenizers", "torch", "transformers"),
]

LOAD = """
import sys, threading
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
before = set(sys.modules), set(threading.enumerate())
import greenllm_kernel
shell.extension_manager.load_extension("greenllm_kernel")
new = {name.partition(".")[0] for name in set(sys.modules) - before[0]}
threads = [thread.name for thread in set(threading.enumerate()) - before[1]]
try:
    libraries = [line.split()[-1] for line in open("/proc/self/maps") if "nvidia" in line or "libcuda" in line]
except OSError:
    libraries = []
print(sorted(new & set(sys.argv[1:])), threads, libraries)
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this tree, with the extension that is built in it."""
    pytest.importorskip("hatch_jupyter_builder")
    if not (ROOT / "greenllm_kernel/labextension/static/style.js").exists():
        pytest.skip("the extension is not built: make .venv/built")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    env = {**os.environ, "HATCH_JUPYTER_BUILDER_SKIP_NPM": "1"}
    finished = subprocess.run([*build, str(folder), str(ROOT)], env=env, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_loading_the_extension_imports_nothing_heavy_and_starts_nothing(tmp_path: Path) -> None:
    env = {**os.environ, "IPYTHONDIR": str(tmp_path), "GREENLLM_LEDGER": str(tmp_path / "ledger.sqlite")}

    finished = subprocess.run([sys.executable, "-c", LOAD, *HEAVY], env=env, capture_output=True, text=True)

    assert finished.stdout.strip() == "[] [] []", finished.stdout + finished.stderr
    assert not (tmp_path / "ledger.sqlite").exists()


def test_imports_point_one_way() -> None:
    pytest.importorskip("importlinter")

    finished = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_built_in_plugin_is_kept_apart_from_the_others() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (kept_apart,) = (contract["modules"] for contract in contracts if contract["type"] == "independence")

    assert sorted(kept_apart) == sorted(PROJECT["project"]["entry-points"]["greenllm"].values())


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_built_in_that_uses_it(hook: str) -> None:
    assert Plugins().implementations(hook)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook: str) -> None:
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]

    assert any(hook in path.read_text(encoding="utf-8") for path in tests)


def test_there_is_one_version() -> None:
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))

    assert package["version"] == __version__


def test_the_wheel_installs_our_packages_and_no_other(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}
    packages = {name for name in top if not name.endswith((".data", ".dist-info"))}

    assert packages == {"greenllm_kernel", "greenllm_plugins"}


@pytest.mark.parametrize(
    "name",
    [
        "greenllm_kernel/messages.schema.json",
        "greenllm_kernel/notebooks/01-measure.ipynb",
        "greenllm_kernel/py.typed",
        "greenllm_plugins/py.typed",
        "etc/jupyter/jupyter_server_config.d/greenllm.json",
        "share/jupyter/kernels/greenllm/kernel.json",
        "share/jupyter/labextensions/greenllm/install.json",
        "share/jupyter/labextensions/greenllm/package.json",
        "share/jupyter/labextensions/greenllm/static/style.js",
    ],
)
def test_the_wheel_brings(name: str, wheel: zipfile.ZipFile) -> None:
    data = f"greenllm-{__version__}.data/data/"

    assert wheel.namelist().count(name) + wheel.namelist().count(data + name) == 1


def test_the_wheel_brings_whatever_the_packages_read(wheel: zipfile.ZipFile) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "greenllm_kernel", "plugins/greenllm_plugins"], cwd=ROOT, capture_output=True, text=True
    )
    if tracked.returncode != 0:
        pytest.skip("not a clone: which files belong to the packages is not known")
    files = [name.removeprefix("plugins/") for name in tracked.stdout.splitlines() if "/kernelspec/" not in name]

    assert set(files) <= set(wheel.namelist())


def test_the_kernel_measures_from_its_first_cell_on() -> None:
    spec = json.loads((ROOT / "greenllm_kernel/kernelspec/kernel.json").read_text(encoding="utf-8"))

    assert spec["display_name"] == "Python 3 (GreenLLM)"
    assert spec["argv"][0] == "python"
    assert spec["argv"][-1] == "--ext=greenllm_kernel"
