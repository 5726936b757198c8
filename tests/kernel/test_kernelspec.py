"""The kernel "Python 3 (GreenLLM)": every cell is measured, with no line of code."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import Record

KERNELSPEC = Path(__file__).parents[2] / "greenllm_kernel" / "kernelspec"


def test_the_first_cell_is_measured_without_a_line_of_code(tmp_path: Path) -> None:
    shutil.copytree(KERNELSPEC, tmp_path / "kernels" / "greenllm")
    specs = KernelSpecManager(kernel_dirs=[str(tmp_path / "kernels")])
    manager = KernelManager(kernel_name="greenllm", kernel_spec_manager=specs)
    ledger = tmp_path / "ledger.sqlite"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GREENLLM_")}
    environment |= {"GREENLLM_LEDGER": str(ledger), "GREENLLM_USE_METERS": "virtual", "IPYTHONDIR": str(tmp_path)}
    environment |= {"JUPYTER_DATA_DIR": str(tmp_path / "data")}
    manager.start_kernel(env=environment)
    try:
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        reply = client.execute_interactive("total = 6 * 7", timeout=60)
        records = first_records(ledger)
        client.stop_channels()
    finally:
        manager.shutdown_kernel(now=True)

    assert reply["content"]["status"] == "ok"
    assert [record.name for record in records] == ["total = 6 * 7"]
    assert records[0].gross is not None


def first_records(path: Path, timeout_s: float = 10.0) -> list[Record]:
    """Return what the ledger holds as soon as it holds anything."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if path.exists():
            with Ledger(path) as ledger:
                if records := list(ledger.records()):
                    return records
        time.sleep(0.1)
    return []
