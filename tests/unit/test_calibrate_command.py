"""``greenllm calibrate``, on RAPL counters that follow a known law of the load this machine really has."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from command_line import CommandLine, finished
from greenllm_kernel.cli import calibrate as command
from greenllm_kernel.cli.command_error import CommandError
from greenllm_kernel.cli.load_programme import Step, cpus_at_hand, programme, running
from greenllm_kernel.cli.load_worker import KINDS
from greenllm_kernel.cli.sensed_power import SensedPower
from greenllm_kernel.metering.calibration.files import keep, read
from greenllm_kernel.metering.calibration.fit import HostKind
from greenllm_kernel.metering.calibration.fitting import power_w
from greenllm_kernel.metering.meter import Channel, Component, Kind
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualChannel, VirtualMeter
from standins.rapl import Tree, build

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
NAMED = pytest.mark.skipif(sys.platform != "linux", reason="RAPL is Linux's")

IDLE_W, CPU_W = 20.0, 30.0
"""The law: watts when idle, and for each busy CPU."""

SECONDS = math.ceil(0.55 * len(programme(cpus_at_hand())))
"""About the least that measures anything."""

DESCRIBE = """
from greenllm_kernel.configuration import Configuration
from greenllm_plugins.meters.cpu_model import greenllm_meters
channel = greenllm_meters(Configuration.load())[0].channels()[0]
print(channel.label, channel.model_uncertainty, sep="\\n")
"""


@pytest.fixture
def greenllm(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture
def tree(tmp_path: Path, greenllm: CommandLine) -> Tree:
    """A package and its memory, which the command line is told to read."""
    built = build(tmp_path / "sysfs", {"intel-rapl:0": "package-0", "intel-rapl:0:0": "dram"})
    settings = f'use_meters = ["rapl"]\n[meters.rapl]\nroot = "{built.root}"\n[meters.cpu_model]\nsysfs = "/nowhere"\n'
    Path(greenllm.env["GREENLLM_CONFIG"]).write_text(settings)
    return built


@contextmanager
def counting(tree: Tree, energy_j: Callable[[float, float], float]) -> Iterator[None]:
    """Let the package show an energy that follows seconds and busy CPU seconds."""
    over = threading.Event()
    start_s, start_busy_s = time.monotonic(), busy_s()

    def count() -> None:
        while not over.wait(0.003):
            tree.set_j("intel-rapl:0", energy_j(time.monotonic() - start_s, busy_s() - start_busy_s))

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")))


def kept(greenllm: CommandLine) -> list[Path]:
    return sorted((greenllm.folder / "data" / "greenllm" / "calibrations").glob("*"))


def described(greenllm: CommandLine) -> list[str]:
    """Return the label of the estimate and its uncertainty, as a new session of this user's finds them."""
    command = greenllm.python(DESCRIBE)
    return subprocess.run(command, env=greenllm.env, capture_output=True, text=True, check=True).stdout.splitlines()


@NAMED
def test_the_law_is_found_kept_and_used(greenllm: CommandLine, tree: Tree) -> None:
    # Steps of two seconds: on a busy machine the counter is moved some tens of ms late, and CPU times count 10 ms.
    with counting(tree, lambda seconds, busy: 100.0 + IDLE_W * seconds + CPU_W * busy):
        done = greenllm.run("calibrate", "--seconds", 4 * SECONDS, "--output", "fit.json")

    assert done.code == 0, done.err
    (path,) = kept(greenllm)
    fit = read(path)
    assert read(greenllm.folder / "fit.json") == fit
    assert fit.sensors == ["CPU package 0"]
    found = fit.formulas["load"]
    for step in fit.steps:
        foretold_w = power_w(found.coefficients_w, step["rates"])
        assert foretold_w == pytest.approx(IDLE_W + CPU_W * step["rates"]["busy"], rel=0.1)
    # On a machine busy with other work no step tells idle power apart.
    if min(step["rates"]["busy"] for step in fit.steps) < 0.25 * cpus_at_hand():
        assert found.coefficients_w["time"] == pytest.approx(IDLE_W, rel=0.2)
        assert found.held_out_rms < 0.1
    assert found.kinds == len(KINDS)
    assert f"{found.held_out_rms:.1%} RMS" in done.out
    assert "memory, 1 CPU" in done.out and "integer, 1 CPU" in done.err
    label, uncertainty = described(greenllm)
    assert label.startswith(f"CPU, estimated (calibrated on {fit.made_on}, held-out error ±")
    assert float(uncertainty) == pytest.approx(math.hypot(found.uncertainty, fit.gain_uncertainty))


@NAMED
def test_a_sensor_that_the_load_does_not_explain_gives_no_fit(
    greenllm: CommandLine, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = Step("idle", 0)
    monkeypatch.setattr(command, "programme", lambda cpus: [idle, Step("integer", 1), Step("memory", 1), idle])
    for name, value in greenllm.env.items():
        monkeypatch.setenv(name, value)

    with (
        counting(tree, lambda seconds, busy: 100.0 + 4.0 ** (seconds / 0.7)),
        pytest.raises(CommandError, match="nothing is kept"),
    ):
        command.calibrate(2)

    assert kept(greenllm) == []


@NAMED
@POSIX
def test_ctrl_c_keeps_nothing_and_leaves_nothing_running(greenllm: CommandLine, tree: Tree) -> None:
    with counting(tree, lambda seconds, busy: 100.0 + IDLE_W * seconds + CPU_W * busy):
        process = greenllm.start("calibrate", "--seconds", 10, start_new_session=True)
        assert process.stderr is not None
        assert "idle" in process.stderr.readline()
        workers: list[psutil.Process] = []
        until_s = time.monotonic() + 20
        while not workers and time.monotonic() < until_s:
            workers = psutil.Process(process.pid).children()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        done = finished(process, timeout_s=20)

    assert workers
    assert done.code == 130
    assert "Traceback" not in done.err
    assert kept(greenllm) == []
    psutil.wait_procs(workers, timeout=5)
    assert not any(worker.is_running() for worker in workers)


@POSIX
def test_the_load_ends_with_whoever_started_it_even_if_that_one_was_killed(greenllm: CommandLine) -> None:
    program = """
        import time
        from greenllm_kernel.cli.load_programme import Step, running
        with running(Step("integer", 1)):
            print("running", flush=True)
            time.sleep(60)
        """
    process = subprocess.Popen(greenllm.python(program), env=greenllm.env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "running\n"
    (worker,) = psutil.Process(process.pid).children()

    process.kill()
    process.communicate()

    psutil.wait_procs([worker], timeout=5)
    assert not worker.is_running()


def test_where_nothing_senses_the_processor_it_says_what_is_missing_and_what_to_do(
    greenllm: CommandLine, tmp_path: Path
) -> None:
    settings = (
        'use_meters = ["rapl", "nvml"]\n'
        f'[meters.rapl]\nroot = "{tmp_path}/none"\n[meters.cpu_model]\nsysfs = "/nowhere"\n'
    )
    Path(greenllm.env["GREENLLM_CONFIG"]).write_text(settings)

    done = greenllm.run("calibrate")

    assert done.code == 2
    assert f"rapl: there is no {tmp_path}/none on this machine" in done.err
    assert "nvml" not in done.err
    assert "--import FILE.json" in done.err
    assert "Traceback" not in done.err
    assert kept(greenllm) == []


def test_a_programme_too_short_to_measure_anything_is_refused(greenllm: CommandLine) -> None:
    done = greenllm.run("calibrate", "--seconds", 1)

    assert done.code == 2
    assert "or more: --seconds" in done.err


# Taking over.


@NAMED
def test_a_fit_made_elsewhere_is_taken_over_where_it_serves(greenllm: CommandLine, tree: Tree, tmp_path: Path) -> None:
    from test_calibration import FIT

    host = here(greenllm)
    if not host.model:
        pytest.skip("this machine does not name its processor")
    keep(replace(FIT, host=host, machine="another"), tmp_path / "good.json")
    keep(FIT, tmp_path / "other.json")
    (tmp_path / "broken.json").write_text("{")

    refused = greenllm.run("calibrate", "--import", "other.json")
    broken = greenllm.run("calibrate", "--import", "broken.json")
    assert (refused.code, broken.code) == (1, 1)
    assert FIT.host.model in refused.err and host.model in refused.err
    assert "broken.json is no fit" in broken.err
    assert kept(greenllm) == []

    taken = greenllm.run("calibrate", "--import", "good.json")
    assert (taken.code, len(kept(greenllm))) == (0, 1)
    assert "on another machine of its kind" in described(greenllm)[0]


def here(greenllm: CommandLine) -> HostKind:
    program = """
        import json
        from dataclasses import asdict
        from greenllm_kernel.configuration import Configuration
        from greenllm_plugins.meters.cpu_model import greenllm_meters
        print(json.dumps(asdict(greenllm_meters(Configuration.load())[0].host)))
        """
    done = subprocess.run(greenllm.python(program), env=greenllm.env, capture_output=True, text=True, check=True)
    return HostKind(**json.loads(done.stdout))


# The load and the sensor.


def test_the_programme_has_each_kind_of_load_on_one_half_and_all_cpus_between_idle_ends() -> None:
    steps = programme(16)

    assert steps[0] == steps[-1] == Step("idle", 0)
    assert [step.workers for step in steps if step.kind == "memory"] == [1, 8, 16]
    assert {step.kind for step in steps} == {"idle", *KINDS}
    assert [step.workers for step in programme(1) if step.kind == "memory"] == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_load_keeps_a_cpu_busy(kind: str) -> None:
    with running(Step(kind, 1)):
        (worker,) = (
            child for child in psutil.Process().children() if "greenllm_kernel.cli.load_worker" in child.cmdline()
        )
        before = worker.cpu_times()
        time.sleep(0.3)
        after = worker.cpu_times()

    # Other work may share this machine's CPUs; a load that waits for anything would show next to nothing.
    assert (after.user + after.system) - (before.user + before.system) > 0.05
    assert not worker.is_running()


def test_a_load_that_cannot_begin_is_said() -> None:
    with (
        pytest.raises(CommandError, match="the load could not begin; KeyError: 'dancing'"),
        running(Step("dancing", 1)),
    ):
        pytest.fail("it began")


def sensor(name: str, channel_id: str, power_w: float, **about: object) -> VirtualMeter:
    channel = Channel(
        channel_id,
        Component.CPU,
        channel_id,
        **{"provides": frozenset({Kind.COUNTER}), "update_period_s": 0.001, **about},
    )  # type: ignore[arg-type]
    return VirtualMeter([VirtualChannel(channel, Constant(power_w))], name=name)


def test_the_best_sensor_that_answers_is_taken_and_none_twice() -> None:
    dead = VirtualMeter(
        [
            VirtualChannel(
                Channel("cpu:dead", Component.CPU, "dead", frozenset({Kind.COUNTER}), 0.001),
                Constant(9.0),
                gaps_s=[(0.0, float("inf"))],
            )
        ],
        name="dead",
    )
    meters = [
        dead,
        sensor("rough", "cpu:b", 20.0, gain_uncertainty=0.1),
        sensor("good", "cpu:c", 30.0, gain_uncertainty=0.02),
    ]
    sensed = SensedPower(meters, Component.CPU)
    looks: list[float] = []
    try:
        assert [channel.id for channel in sensed.channels] == ["cpu:c"]
        assert sensed.gain_uncertainty == 0.02
        assert sensed.measure(0.4, lambda: looks.append(time.monotonic())) == pytest.approx(30.0, rel=0.05)
    finally:
        sensed.close()

    assert len(looks) >= 4
    assert looks[-1] - looks[0] == pytest.approx(0.4, abs=0.1)
    assert any("dead: " in fault for fault in sensed.faults)


def test_a_sensor_with_the_memory_in_it_gives_way_to_the_parts_that_are_the_processors_alone() -> None:
    def channel(channel_id: str, inside: str | None = None) -> VirtualChannel:
        about = Channel(channel_id, Component.CPU, channel_id, frozenset({Kind.COUNTER}), 0.001, inside=inside)
        return VirtualChannel(about, Constant(25.0))

    whole = channel("cpu:grace-0")
    whole = replace(whole, channel=replace(whole.channel, contains=frozenset({Component.DRAM})))
    parts = [channel(f"cpu:grace-0:{name}", "cpu:grace-0") for name in ("cpu", "sysio")]
    sensed = SensedPower([VirtualMeter([whole, *parts])], Component.CPU)
    alone = SensedPower([VirtualMeter([whole])], Component.CPU)
    try:
        assert [part.id for part in sensed.channels] == ["cpu:grace-0:cpu", "cpu:grace-0:sysio"]
        assert not alone.works
        assert any("cpu:grace-0: it has more in it" in fault for fault in alone.faults)
    finally:
        sensed.close()
        alone.close()


def test_what_contains_what_is_counted_once_and_estimates_are_no_sensors() -> None:
    def channel(channel_id: str, inside: str | None = None, model_uncertainty: float = 0.0) -> VirtualChannel:
        about = Channel(
            channel_id,
            Component.CPU,
            channel_id,
            frozenset({Kind.COUNTER}),
            0.001,
            inside=inside,
            model_uncertainty=model_uncertainty,
        )
        return VirtualChannel(about, Constant(25.0))

    meter = VirtualMeter([channel("cpu:0"), channel("cpu:0:core", "cpu:0"), channel("cpu:1", "platform:psys")])
    estimate = VirtualMeter([channel("cpu:model", model_uncertainty=0.3)], name="estimate")
    sensed = SensedPower([estimate, meter], Component.CPU)
    try:
        assert [part.id for part in sensed.channels] == ["cpu:0", "cpu:1"]
        assert sensed.measure(0.3, lambda: None) == pytest.approx(50.0, rel=0.05)
    finally:
        sensed.close()
