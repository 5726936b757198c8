"""What goes wrong beside a cell never touches the cell, is said, and loses at most the last seconds."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest

from distribution import distribution
from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import MIME_TYPE, Status
from live import LiveKernel
from standins import nvml


@pytest.fixture
def started(tmp_path):
    kernels = []

    def start(folder=tmp_path, **env) -> LiveKernel:
        kernels.append(LiveKernel(folder, env))
        return kernels[-1]

    yield start
    for kernel in kernels:
        if kernel.manager.is_alive():
            kernel.close()


def shown(outcome) -> dict:
    return outcome.displays[-1]["data"][MIME_TYPE]


METER = """
from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading
import time

class Meter:
    name = "theirs"
    def channels(self):
        return [Channel("theirs:0", Component.GPU, "Theirs", frozenset({Kind.POWER}))]
    def read(self, channel_ids):
        BODY
    def close(self):
        pass

@hookimpl
def greenllm_meters(config):
    return [Meter()]
"""


def with_theirs(tmp_path, source: str) -> dict[str, str]:
    return {"PYTHONPATH": distribution(tmp_path, "theirs", source), "GREENLLM_USE_METERS": "virtual,theirs"}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('on import')", "plugin theirs cannot be imported: RuntimeError: on import"),
        ("@hookimpl\ndef greenllm_meters(config):\n    raise OSError('in the hook')", "failed in greenllm_meters"),
        (METER.replace("BODY", "raise OSError('in read')"), "OSError: in read"),
        (METER.replace("BODY", "time.sleep(10)"), "theirs has not answered"),
    ],
)
def test_a_plugin_that_fails_is_named_and_the_cell_is_measured_without_it(tmp_path, started, source, reason):
    kernel = started(**with_theirs(tmp_path, source))
    began = time.monotonic()
    outcome = kernel.run("%%energy -o window\nimport time\ntime.sleep(2.4)\n'value'")
    assert time.monotonic() - began < 5
    assert outcome.result == "'value'"
    assert shown(outcome)["energy"]["gross_j"] > 0
    said = kernel.run("%energy status").stdout
    while reason not in said and time.monotonic() - began < 9:  # a read that hangs is told of when it is late
        said = kernel.run("%energy status").stdout
    assert reason in said


def test_somebody_elses_meter_joins_by_its_entry_point_alone(tmp_path, started):
    body = "return [Reading('theirs:0', Kind.POWER, 250.0, time.monotonic_ns())]"
    env = with_theirs(tmp_path, METER.replace("BODY", body)) | {"GREENLLM_USE_METERS": "theirs"}
    kernel = started(**env)
    kernel.run("%%energy -o window -q\nimport time\ntime.sleep(1)")
    energy_j, provenance = eval(kernel.run("r = window.settle(); r.gross.value_j, str(r.provenance)").result)
    assert energy_j == pytest.approx(250.0, rel=0.1)
    assert provenance == "derived"


def test_a_kernel_killed_in_mid_cell_leaves_what_was_measured_in_the_ledger(started):
    kernel = started()
    kernel.run("import os; print(os.getpid())")
    pid = int(kernel.run("import os; print(os.getpid())").stdout)
    kernel.client.execute("%%energy doomed\nimport time\ntime.sleep(60)")
    time.sleep(6.0)
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    doomed = [record for record in Ledger(kernel.ledger).records() if record.name == "doomed"]
    assert len(doomed) == 1
    assert doomed[0].status is Status.PARTIAL
    assert doomed[0].duration_s > 1.0
    assert doomed[0].gross.value_j > 100.0


def test_a_kernel_that_ends_at_once_after_a_cell_leaves_its_record(started):
    kernel = started()
    kernel.run("%%energy last\nimport time\ntime.sleep(0.3)")
    kernel.close()
    records = [record for record in Ledger(kernel.ledger).records() if record.name == "last"]
    assert [record.status for record in records] == [Status.OK]
    assert records[0].settled


def test_two_kernels_write_one_ledger(tmp_path, started):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    shared = {"GREENLLM_LEDGER": str(tmp_path / "shared.sqlite")}
    kernels = [started(folder, **shared) for folder in folders]
    for index in range(10):
        for number, kernel in enumerate(kernels):
            assert kernel.run(f"%%energy -q cell {number}.{index}\n{index}").result == str(index)
    for kernel in kernels:
        kernel.close()
    names = {record.name for record in Ledger(tmp_path / "shared.sqlite").records()}
    assert {f"cell {number}.{index}" for number in range(2) for index in range(10)} <= names


@pytest.mark.parametrize("place", ["a folder", "/dev/full", "/proc/ledger.sqlite"])
def test_a_ledger_that_cannot_be_written_is_named_and_the_figures_are_still_there(tmp_path, started, place):
    path = place
    if place == "a folder":
        (tmp_path / "taken").mkdir()
        path = str(tmp_path / "taken")
    kernel = started(GREENLLM_LEDGER=path)
    outcome = kernel.run("%%energy kept\nimport time\ntime.sleep(0.3)\n'value'")
    assert outcome.result == "'value'"
    assert outcome.stderr == ""
    kernel.listen(1.0)
    assert path in kernel.run("%energy status").stdout
    report = kernel.run("%energy report")
    assert "kept" in report.displays[-1]["data"]["text/plain"]
    assert report.error is None


def test_a_place_that_does_not_exist_is_named_and_the_world_average_is_used(started):
    kernel = started(GREENLLM_PLACE="Atlantis")
    kernel.run("%%energy -o window\nimport time\ntime.sleep(0.2)")
    assert kernel.run("window.settle().emissions.intensity.place").result == "'world'"
    assert "ATLANTIS" in kernel.run("%energy status").stdout.upper()


def test_a_configuration_that_cannot_be_used_is_named(tmp_path, started):
    (tmp_path / "greenllm.toml").write_text("plaec = 'FR'")
    kernel = started()
    assert kernel.run("%%energy\n5").result == "5"
    assert "unknown setting 'plaec'" in kernel.run("%energy status").stdout


def test_a_gpu_that_disappears_in_mid_cell_gives_what_it_drew_until_then(tmp_path, started):
    library = nvml.build(tmp_path / "lib")
    control = tmp_path / "control"
    machine = nvml.Machine([nvml.Gpu(), nvml.Gpu()])
    machine.write(control)
    kernel = started(**nvml.environment(library, control), GREENLLM_USE_METERS="nvml")
    kernel.run("import time; time.sleep(1)")
    request = kernel.client.execute("%%energy -o window\nimport time\ntime.sleep(4)\n'value'")
    time.sleep(2.0)
    replace(machine, gpus=[machine.gpus[0], replace(machine.gpus[1], lost_at_s=0.0)]).write(control)
    outcome = kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)
    assert outcome.result == "'value'"
    record = shown(outcome)
    assert [channel["coverage"] > 0.95 for channel in record["channels"]] == [True, False]
    assert 0.3 < record["channels"][1]["coverage"] < 0.7
    assert record["energy"]["unavailable"] == []
    assert "lost" in record["channels"][1]["fault"].lower()
