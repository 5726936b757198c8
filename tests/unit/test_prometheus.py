"""Exporters' pages over HTTP: a real local server, pages in the exporters' form, and what can go wrong with them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.containment import counted
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import Provenance
from greenllm_plugins.meters import cpu_model, nvml, scrape
from greenllm_plugins.meters import prometheus as plugin
from sessions import Recorder
from standins.exporters import Server, dcgm, kepler, scaphandre

A, B = "GPU-aaaa1111-2222-3333-4444-555566667777", "GPU-bbbb1111-2222-3333-4444-555566667777"

ONE_SOCKET = {
    ("package", "/host/sys/class/powercap/intel-rapl:0"): 1000.0,
    ("core", "/host/sys/class/powercap/intel-rapl:0:0"): 700.5,
    ("dram", "/host/sys/class/powercap/intel-rapl:0:1"): 90.25,
    ("psys", "/host/sys/class/powercap/intel-rapl:1"): 3000.0,
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        yield running


def found(server: Server, **options: Any) -> Meter | UnusableMeter:
    config = Configuration(meters={"prometheus": {"url": server.url, **options}})
    (meter,) = plugin.greenllm_meters(config)
    return meter


def opened(server: Server, **options: Any) -> plugin.PrometheusMeter:
    meter = found(server, **options)
    assert isinstance(meter, plugin.PrometheusMeter), meter
    return meter


def refused(server: Server, **options: Any) -> UnusableMeter:
    meter = found(server, **options)
    assert isinstance(meter, UnusableMeter)
    return meter


def channels(meter: Meter) -> dict[str, Channel]:
    return {channel.id: channel for channel in meter.channels()}


def read(meter: plugin.PrometheusMeter) -> list[Reading]:
    """Read anew, as after the page's spacing."""
    meter._fetched_ns = None
    return list(meter.read(list(channels(meter))))


def values(meter: plugin.PrometheusMeter) -> dict[tuple[str, Kind], float | str]:
    return {(reading.channel_id, reading.kind): reading.fault or reading.value for reading in read(meter)}


# What the pages say.


def test_dcgm_exporter_gives_energy_and_power_of_each_gpu(server: Server) -> None:
    server.page = dcgm({A: (1234.567, 250.5), B: (99.0, 70.0)})

    meter = opened(server)
    first, second = meter.channels()

    assert [first.id, second.id] == [f"gpu:{A}:exporter", f"gpu:{B}:exporter"]
    assert first.label == "NVIDIA H100 80GB HBM3 #0, by DCGM exporter"
    assert first.component is Component.GPU and first.provides == frozenset(Kind)
    assert first.update_period_s == 30.0
    assert first.gain_uncertainty == pytest.approx(0.05 / math.sqrt(3))
    assert values(meter)[first.id, Kind.COUNTER] == pytest.approx(1234.567)
    assert values(meter)[first.id, Kind.POWER] == 250.5
    assert meter.remark == "not tried on real hardware yet"


def test_the_series_of_one_card_count_once(server: Server) -> None:
    page = dcgm({A: (1000.0, 250.0)}, extra=',GPU_I_PROFILE="1g.10gb",GPU_I_ID="7",pod="mine"')
    server.page = page + dcgm({A: (1000.0, 250.0)}, extra=',GPU_I_PROFILE="1g.10gb",GPU_I_ID="8",pod="other"')

    assert list(channels(opened(server))) == [f"gpu:{A}:exporter"]


def test_what_dcgm_does_not_know_is_a_fault_and_no_figure(server: Server) -> None:
    server.page = dcgm({A: (1000.0, 250.0)})
    meter = opened(server)

    server.page = dcgm({A: (9223372036854775794 / 1e3, 140737488355330.0)})
    now = values(meter)

    assert {key: "does not know it" in str(value) for key, value in now.items()} == dict.fromkeys(now, True)


def test_kepler_gives_the_zones_each_inside_the_next(server: Server) -> None:
    server.page = kepler(ONE_SOCKET, {A: 55.5})

    meter = opened(server)
    found = channels(meter)

    assert {key: (c.component, c.inside) for key, c in found.items()} == {
        "cpu:package-0:exporter": (Component.CPU, "cpu:packages:exporter"),
        "cpu:package-0:core:exporter": (Component.CPU, "cpu:package-0:exporter"),
        "dram:package-0:exporter": (Component.DRAM, "dram:packages:exporter"),
        f"gpu:{A}:exporter": (Component.GPU, None),
    }
    assert values(meter)["dram:package-0:exporter", Kind.COUNTER] == 90.25
    assert values(meter)[f"gpu:{A}:exporter", Kind.COUNTER] == 55.5


def test_keplers_sum_over_sockets_is_one_channel(server: Server) -> None:
    server.page = kepler({("package", "aggregated-package"): 5000.0, ("dram", "aggregated-dram"): 300.0})

    assert list(channels(opened(server))) == ["cpu:packages:exporter", "dram:packages:exporter"]


def test_the_board_serves_only_where_no_package_is_shown(server: Server) -> None:
    server.page = kepler({("psys", "/sys/class/powercap/intel-rapl:1"): 3000.0})
    assert {c.component for c in opened(server).channels()} == {Component.PLATFORM}

    server.page = scaphandre({}, {}, psys_j=70.0)
    assert list(channels(opened(server))) == ["platform:psys:exporter"]


def test_scaphandre_gives_sockets_and_dram(server: Server) -> None:
    server.page = scaphandre({0: 1000.25, 1: 900.0}, {0: 50.0, 1: 40.0})

    meter = opened(server)

    assert list(channels(meter)) == [
        "cpu:package-0:exporter",
        "cpu:package-1:exporter",
        "dram:package-0:exporter",
        "dram:package-1:exporter",
    ]
    assert values(meter)["cpu:package-0:exporter", Kind.COUNTER] == pytest.approx(1000.25)


def test_scaphandre_is_not_asked_so_often_that_it_stands_still(server: Server) -> None:
    server.page = scaphandre({0: 1.0}, {})

    assert opened(server).channels()[0].read_spacing_s > 2.0


def test_an_old_kepler_is_refused_because_it_hides_its_estimates(server: Server) -> None:
    server.page = 'kepler_node_package_joules_total{instance="node-7",mode="dynamic",package="socket0"} 1.5\n'

    assert "before 0.10" in refused(server).reason


@pytest.mark.parametrize(
    "page",
    ["", "<html>Scaphandre's prometheus exporter here</html>", "\x00\xff\xfe" * 99, "up 1\n", "{}}{ = # \n# TYPE\n"],
    ids=["empty", "HTML", "bytes", "another exporter", "garbage"],
)
def test_a_page_without_figures_is_unusable(server: Server, page: str) -> None:
    server.page = page

    assert "no figure of energy" in refused(server).reason


def test_a_garbled_line_hides_only_its_own_sensor(server: Server) -> None:
    server.page = dcgm({A: (1000.0, 250.0), B: (2000.0, 70.0)})
    meter = opened(server)

    server.page = server.page.replace(f'{{gpu="0",UUID="{A}"', f'{{gpu="0,UUID="{A}')
    now = values(meter)

    assert "no longer shows it" in str(now[f"gpu:{A}:exporter", Kind.COUNTER])
    assert now[f"gpu:{B}:exporter", Kind.COUNTER] == 2000.0


def test_a_page_cut_off_in_a_figure_gives_no_wrong_one(server: Server) -> None:
    server.page = kepler({("package", "aggregated-package"): 123456.0})
    meter = opened(server)

    server.page = server.page.partition("3456")[0]

    assert "no longer shows it" in str(values(meter)["cpu:packages:exporter", Kind.COUNTER])


# Whose figures.


def test_several_hosts_must_be_told_apart(server: Server) -> None:
    server.page = dcgm({A: (1000.0, 250.0)}, "node-7") + dcgm({B: (2000.0, 70.0)}, "node-8")

    ambiguous = refused(server)

    assert "node-7, node-8" in ambiguous.reason and "match" in ambiguous.remedy
    assert list(channels(opened(server, match={"Hostname": "node-8"}))) == [f"gpu:{B}:exporter"]
    assert "nothing with the labels" in refused(server, match={"Hostname": "node-9"}).reason


@pytest.mark.parametrize(
    ("environment", "seen"),
    [
        ({"CUDA_VISIBLE_DEVICES": B}, [B]),
        ({"CUDA_VISIBLE_DEVICES": f"{A}, {B}"}, [A, B]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-bbbb"}, [B]),
        ({"NVIDIA_VISIBLE_DEVICES": A}, [A]),
        ({"CUDA_VISIBLE_DEVICES": "0", "NVIDIA_VISIBLE_DEVICES": A}, [A]),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, [A, B]),
        ({"CUDA_VISIBLE_DEVICES": "0", "NVIDIA_VISIBLE_DEVICES": B}, [B]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [B]),
        ({"NVIDIA_VISIBLE_DEVICES": "1"}, [B]),
        ({"NVIDIA_VISIBLE_DEVICES": "1:0,1:1"}, [B]),
        ({"CUDA_VISIBLE_DEVICES": "gpu-BBBB"}, [B]),
        ({"CUDA_VISIBLE_DEVICES": f"{A},-1,{B}"}, [A]),
        ({"CUDA_VISIBLE_DEVICES": "MIG-c0ffee", "NVIDIA_VISIBLE_DEVICES": B}, [B]),
        ({"CUDA_VISIBLE_DEVICES": f"MIG-{B}/7/0,MIG-{B}/8/0"}, [B]),
        ({"NVIDIA_VISIBLE_DEVICES": "void"}, [A, B]),
    ],
    ids=str,
)
def test_gpus_of_other_pods_are_left_out_where_this_ones_are_named(
    server: Server, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], seen: list[str]
) -> None:
    server.page = dcgm({A: (1000.0, 250.0), B: (2000.0, 70.0)})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert list(channels(opened(server))) == [f"gpu:{uuid}:exporter" for uuid in seen]


@pytest.mark.parametrize("chosen", ["GPU-cccc", "", "-1", "7"])
def test_a_page_with_other_pods_gpus_alone_is_unusable(
    server: Server, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    server.page = dcgm({A: (1000.0, 250.0)})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)

    assert "none of the GPUs" in refused(server).reason


def test_a_number_is_the_page_s_own_where_it_shows_not_all_cards(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.page = dcgm({A: (1000.0, 250.0), B: (2000.0, 70.0)}).replace('gpu="1"', 'gpu="5"')
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")

    assert list(channels(opened(server))) == [f"gpu:{B}:exporter"]


def test_where_cards_are_of_several_kinds_a_number_chooses_none_and_that_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.page = kepler({}, {A: 1.0, B: 2.0}).replace("A100-SXM4-40GB", "T400", 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    meter = opened(server)

    assert len(channels(meter)) == 2 and "cannot be told: name UUIDs" in meter.remark
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert list(channels(opened(server))) == [f"gpu:{A}:exporter"]


def test_the_card_of_a_mig_device_cannot_be_told_from_a_page_of_several(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-c0ffee-1")
    server.page = dcgm({A: (1000.0, 250.0), B: (2000.0, 70.0)})

    unusable = refused(server)

    assert "names MIG-c0ffee-1, and the page does not tell" in unusable.reason and "match" in unusable.remedy
    assert list(channels(opened(server, match={"gpu": "1"}))) == [f"gpu:{B}:exporter"]

    server.page = kepler(ONE_SOCKET, {A: 1.0, B: 2.0})
    meter = opened(server)
    assert Component.GPU not in {channel.component for channel in meter.channels()}
    assert "MIG-c0ffee-1" in meter.remark


# What goes wrong on the way.


def test_nobody_listening_is_unusable_with_the_address() -> None:
    with Server() as gone:
        url = gone.url

    (meter,) = plugin.greenllm_meters(Configuration(meters={"prometheus": {"url": url}}))

    assert isinstance(meter, UnusableMeter) and url in meter.reason and "refused" in meter.reason


@pytest.mark.parametrize(("status", "reason"), [(404, "404"), (500, "500"), (503, "503")])
def test_an_error_of_the_server_is_a_fault_until_it_is_over(server: Server, status: int, reason: str) -> None:
    server.page = dcgm({A: (1000.0, 250.0)})
    meter = opened(server)

    server.status = status
    assert all(reason in (reading.fault or "") for reading in read(meter))

    server.status = 200
    assert all(reading.fault is None for reading in read(meter))


def test_a_server_that_hangs_is_waited_for_no_longer_than_a_second(server: Server) -> None:
    server.page = dcgm({A: (1000.0, 250.0)})
    meter = opened(server)
    server.before = lambda: time.sleep(4.0)

    began = time.monotonic()
    readings = read(meter)

    assert time.monotonic() - began < 3.0
    assert all("not answered within 1 s" in (reading.fault or "") for reading in readings)


def test_a_server_that_dribbles_is_given_up_too(server: Server) -> None:
    server.page = dcgm({A: (1000.0, 250.0)})
    meter = opened(server)
    server.dribble_s = 0.3

    began = time.monotonic()
    readings = read(meter)

    assert time.monotonic() - began < 3.0
    assert all("not answered within 1 s" in (reading.fault or "") for reading in readings)


def test_an_endless_page_is_not_read_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "MOST_BYTES", 1_000_000)
    server.page = b"# padding\n" * 200_000

    assert "larger than 1 MB" in refused(server).reason


def test_a_redirect_to_another_host_is_not_followed(server: Server) -> None:
    with Server() as other:
        other.page = dcgm({A: (1000.0, 250.0)})
        server.to = other.url

        assert "redirects to another host" in refused(server).reason
        assert other.requests == []


def test_a_redirect_on_the_same_host_is_followed(server: Server) -> None:
    server.page = dcgm({A: (1000.0, 250.0)})
    server.to = server.url + "/"

    def once() -> None:
        if len(server.requests) > 1:
            server.to = None

    server.before = once

    assert channels(opened(server))


def test_the_token_comes_from_the_environment_and_is_never_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.page = dcgm({A: (1000.0, 250.0)})
    server.wants = "Bearer s3cret"

    assert "401" in refused(server).reason and "token_env" in refused(server).reason
    assert "EXPORTER_TOKEN" in refused(server, token_env="EXPORTER_TOKEN").reason
    monkeypatch.setenv("EXPORTER_TOKEN", "wr0ng")
    denied = refused(server, token_env="EXPORTER_TOKEN")
    assert "401" in denied.reason and "wr0ng" not in denied.reason + denied.remedy
    monkeypatch.setenv("EXPORTER_TOKEN", "s3cret\n")
    assert channels(opened(server, token_env="EXPORTER_TOKEN"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "no page is named"),
        ({"url": []}, "no page is named"),
        ({"url": "file:///etc/passwd"}, "expected http://"),
        ({"url": "node:9400"}, "expected http://"),
        ({"url": "http://me:s3cret@node:9400/metrics"}, "holds a name or password"),
        ({"url": "http://node", "interval_s": 0}, "expected seconds"),
        ({"url": "http://node", "match": "node-7"}, "expected labels"),
        ({"url": "http://node", "token": "s3cret"}, "unknown option 'token'"),
        ({"url": "http://node", "token_env": 5}, "name of an environment variable"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used_are_named(options: dict[str, Any], reason: str) -> None:
    (meter,) = plugin.greenllm_meters(Configuration(meters={"prometheus": options}))

    assert isinstance(meter, UnusableMeter)
    assert reason in meter.reason and "s3cret" not in meter.reason


def test_without_settings_nothing_is_fetched_or_said() -> None:
    assert plugin.greenllm_meters(Configuration()) == []
    (asked,) = plugin.greenllm_meters(Configuration(use_meters=frozenset({"prometheus"})))
    assert isinstance(asked, UnusableMeter)


def test_several_pages_are_a_meter_each(server: Server) -> None:
    server.page = dcgm({A: (1000.0, 250.0)})
    with Server() as other:
        other.page = kepler(ONE_SOCKET)
        config = Configuration(meters={"prometheus": {"url": [server.url, other.url]}})

        meters = plugin.greenllm_meters(config)

    assert [len(list(meter.channels())) for meter in meters if isinstance(meter, plugin.PrometheusMeter)] == [1, 3]


@pytest.mark.parametrize(
    "summed", [kepler({("package", "aggregated-package"): 9.0, ("dram", "aggregated-dram"): 1.0}), scaphandre({}, {})]
)
def test_what_two_exporters_show_of_one_processor_counts_once(server: Server, summed: str) -> None:
    single = scaphandre({0: 5.0, 1: 4.0}, {0: 0.5, 1: 0.5})
    board = scaphandre({}, {}, psys_j=12.0)
    shown = list[Channel]()
    with Server() as second, Server() as third:
        for one, page in ((server, board), (second, single), (third, summed)):
            one.page = page
        urls = [one.url for one in (server, second, third)]
        for meter in plugin.greenllm_meters(Configuration(meters={"prometheus": {"url": urls}})):
            shown += [] if isinstance(meter, UnusableMeter) else meter.channels()

    is_summed = "cpu:packages:exporter" in {channel.id for channel in shown}
    places = ["packages"] if is_summed else ["package-0", "package-1"]
    assert counted(shown, {channel.id: 1.0 for channel in shown}) == {
        f"{part}:{place}:exporter" for part in ("cpu", "dram") for place in places
    }


def test_channels_read_at_once_share_one_fetch(server: Server) -> None:
    server.page = dcgm({A: (1000.0, 250.0), B: (2000.0, 70.0)})
    meter = opened(server)
    before = len(server.requests)

    first = meter.read([f"gpu:{A}:exporter"])
    second = meter.read([f"gpu:{B}:exporter"])

    assert len(server.requests) == before + 1
    assert {reading.t_ns for reading in (*first, *second)} == {first[0].t_ns}


# All together.


def session_with(config: Configuration, *modules: ModuleType | Any) -> Session:
    plugins = Plugins(found=[])
    for number, module in enumerate(modules):
        plugins.register(module, f"plugin-{number}")
    return Session(config, plugins)


def measured(session: Session, seconds: float) -> Any:
    session.find_meters()
    run = session.open("cell")
    time.sleep(seconds)
    run.close()
    record = run.settle(5.0)
    session.close()
    return record


def test_a_window_over_kepler_contains_the_truth_and_asks_once_a_second(server: Server) -> None:
    start = time.monotonic()
    server.page = lambda: kepler({("package", "aggregated-package"): 1e4 + 80.0 * (time.monotonic() - start)})
    config = Configuration(meters={"prometheus": {"url": server.url}})

    record = measured(session_with(config, plugin), 3.2)

    assert record.gross.provenance is Provenance.MEASURED
    low_j, high_j = record.gross.repeatability_interval_j
    assert low_j <= 80.0 * record.duration_s <= high_j
    assert len(server.requests) <= 8


def test_a_counter_that_starts_again_and_a_series_that_vanishes_give_no_absurd_figure(server: Server) -> None:
    start = time.monotonic()

    def page() -> str:
        t_s = time.monotonic() - start
        if 2.0 < t_s < 2.6:
            return "up 1\n"
        return kepler({("package", "aggregated-package"): (1e6 if t_s < 2.0 else 0.0) + 80.0 * t_s})

    server.page = page
    config = Configuration(meters={"prometheus": {"url": server.url}})

    record = measured(session_with(config, plugin), 4.5)

    assert record.gross is None or record.gross.value_j < 3 * 80.0 * record.duration_s


def test_an_exporter_is_shown_and_not_counted_beside_the_sensors_themselves(server: Server) -> None:
    start = time.monotonic()
    server.page = lambda: kepler(
        {("package", "aggregated-package"): 80.0 * (time.monotonic() - start)},
        {A: 300.0 * (time.monotonic() - start)},
    )
    sensors = Recorder(VirtualMeter([gpu(Constant(300.0), f"gpu:{A}"), package(Constant(50.0))]))
    config = Configuration(meters={"prometheus": {"url": server.url}})

    record = measured(session_with(config, plugin, sensors), 2.2)

    assert {channel.channel_id: channel.counted for channel in record.channels} == {
        f"gpu:{A}": True,
        "cpu:0": True,
        f"gpu:{A}:exporter": False,
        "cpu:packages:exporter": False,
    }
    assert record.gross.value_j == pytest.approx(350.0 * record.duration_s, rel=0.1)


def test_where_the_sensors_cannot_be_read_the_exporter_counts(server: Server) -> None:
    start = time.monotonic()
    server.page = lambda: kepler({("package", "aggregated-package"): 80.0 * (time.monotonic() - start)})
    config = Configuration(meters={"prometheus": {"url": server.url}})
    record = measured(session_with(config, plugin, cpu_model, nvml), 2.2)

    assert {channel.channel_id: channel.counted for channel in record.channels} == {"cpu:packages:exporter": True}
