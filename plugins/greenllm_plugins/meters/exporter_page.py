"""What the pages of exporters say of energy: DCGM exporter, Kepler from 0.10 on, Scaphandre."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from greenllm_kernel.metering.meter import Component, Kind
from greenllm_plugins.meters.exporter_gpus import PageGpu

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Exporter:
    """One kind of exporter: how often its figures are refreshed, and how often it may be asked, s."""

    name: str
    update_period_s: float
    read_spacing_s: float


DCGM = Exporter("DCGM exporter", 30.0, 1.0)
"""It collects every 30 s (its option ``--collect-interval``), whoever asks (dcgm-exporter 4, pkg/cmd/app.go)."""

KEPLER = Exporter("Kepler", 0.5, 1.0)
"""Asked, it reads anew what is older than 0.5 s (Kepler 0.11, config.go, ``monitor.staleness``)."""

SCAPHANDRE = Exporter("Scaphandre", 2.5, 2.5)
"""Asked, it reads anew only if nobody asked in the 2 s before (Scaphandre 1.0, src/exporters/prometheus.rs)."""

J_PER_MJ = 1e-3
J_PER_UJ = 1e-6

HALF_GAIN = {Component.GPU: 0.05, Component.CPU: 0.10, Component.DRAM: 0.20, Component.PLATFORM: 0.10}
"""Half-widths of the relative gain error: of the sensors behind the exporters, NVML's and RAPL's. An exporter does not
say whose the CPU is, so it is taken as AMD's."""

HOST_LABELS = ("Hostname", "hostname", "node_name", "instance", "node")

BLANK = 2.0**47
"""DCGM writes figures from here on (as floating point, and larger ones as integers) for what it does not know."""

LEGACY_KEPLER = "kepler_node_package_joules_total"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a page.

    Attributes:
        channel_id: whose it is; the same for the same sensor, whichever exporter shows it.
        component: the part of the machine.
        label: what a person calls it.
        kind: joules of a counter, or watts.
        value: J or W; NaN where the exporter does not know.
        exporter: that shows it.
        host: that it is of; empty where the page does not say.
        gpu: which GPU it is of; None where it is of none.
        inside: id of the channel that already contains its energy.
    """

    channel_id: str
    component: Component
    label: str
    kind: Kind
    value: float
    exporter: Exporter
    host: str
    gpu: PageGpu | None = None
    inside: str | None = None


def read_page(text: str, match: Mapping[str, str]) -> list[Figure]:
    """Return the energy figures of a page, each sensor's first.

    Args:
        text: the page, in the text format of Prometheus; lines that are none are passed over.
        match: labels that a figure must have.
    """
    found: dict[tuple[str, str, Kind], Figure] = {}
    # A page's last line ends like the others; one that does not was cut off, perhaps within its figure.
    for name, labels, value in _samples(text[: text.rfind("\n") + 1].splitlines()):
        if all(labels.get(label) == wanted for label, wanted in match.items()):
            figure = _MAKE[name](labels, value)
            if figure is not None:
                found.setdefault((figure.host, figure.channel_id, figure.kind), figure)
    has_package = {figure.host for figure in found.values() if figure.channel_id.startswith("cpu:package")}
    # A board's maker may not have wired psys, which cannot be tried out from here: packages are surer.
    return [f for f in found.values() if f.component is not Component.PLATFORM or f.host not in has_package]


def _samples(lines: Iterable[str]) -> Iterator[tuple[str, Labels, float]]:
    from prometheus_client.parser import text_string_to_metric_families

    for line in lines:
        name = _NAME.match(line)
        if name is None or name[0] not in _MAKE:
            continue
        try:
            for family in text_string_to_metric_families(line):
                for sample in family.samples:
                    yield name[0], sample.labels, float(sample.value)
        except (ValueError, KeyError, IndexError):
            continue  # a line that is cut off or garbled: its sensor is missing from this page


_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def _host(labels: Labels) -> str:
    return next((labels[label] for label in HOST_LABELS if labels.get(label)), "")


def _of_dcgm(kind: Kind, scale: float) -> Callable[[Labels, float], Figure | None]:
    def make(labels: Labels, value: float) -> Figure | None:
        uuid = labels.get("UUID") or labels.get("uuid", "")
        joules_or_watts = math.nan if value >= BLANK else value * scale
        return _gpu(DCGM, uuid, labels.get("modelName", "NVIDIA GPU"), kind, joules_or_watts, labels)

    return make


def _of_kepler_gpu(labels: Labels, value: float) -> Figure | None:
    return _gpu(KEPLER, labels.get("gpu_uuid", ""), labels.get("gpu_name", "GPU"), Kind.COUNTER, value, labels)


def _gpu(exporter: Exporter, uuid: str, name: str, kind: Kind, value: float, labels: Labels) -> Figure | None:
    if not uuid:
        return None
    number = labels.get("gpu", "")
    label = f"{name} #{number}, by {exporter.name}"
    gpu = PageGpu(uuid, int(number) if re.fullmatch(r"[0-9]{1,3}", number) else None, name)
    return Figure(f"gpu:{uuid}:exporter", Component.GPU, label, kind, value, exporter, _host(labels), gpu=gpu)


def _of_kepler_zone(labels: Labels, value: float) -> Figure | None:
    # Zones of one name on several sockets come as their sum, with the path "aggregated-NAME".
    socket = re.search(r"intel-rapl:(\d+)", labels.get("path", ""))
    return _zone(KEPLER, labels.get("zone", ""), f"package-{socket[1]}" if socket else "packages", value, labels)


def _of_scaphandre(zone: str | None) -> Callable[[Labels, float], Figure | None]:
    def make(labels: Labels, value: float) -> Figure | None:
        package = f"package-{labels.get('socket_id', '0')}"
        return _zone(SCAPHANDRE, zone or labels.get("domain_name", ""), package, value * J_PER_UJ, labels)

    return make


def _of_scaphandre_host(labels: Labels, value: float) -> Figure | None:
    # Where it is the sum of the sockets, these are on the page themselves.
    is_board = labels.get("value_source") == "powercap_rapl_psys"
    return _of_scaphandre("psys")(labels, value) if is_board else None


def _zone(exporter: Exporter, zone: str, package: str, value: float, labels: Labels) -> Figure | None:
    whole, all_cpus, all_dram = f"cpu:{package}:exporter", "cpu:packages:exporter", "dram:packages:exporter"
    where = f"CPU {package.replace('-', ' ')}"
    places = {
        # Another exporter may show the sum of what this one shows singly.
        "package": (whole, Component.CPU, where, all_cpus),
        "core": (f"cpu:{package}:core:exporter", Component.CPU, f"{where}, cores", whole),
        "uncore": (f"cpu:{package}:uncore:exporter", Component.CPU, f"{where}, uncore", whole),
        "dram": (f"dram:{package}:exporter", Component.DRAM, f"DRAM of {where}", all_dram),
        "psys": ("platform:psys:exporter", Component.PLATFORM, "Board (psys)", None),
    }
    if zone not in places:
        return None
    channel_id, component, label, inside = places[zone]
    inside = inside if inside != channel_id else None
    label = f"{label}, by {exporter.name}"
    return Figure(channel_id, component, label, Kind.COUNTER, value, exporter, _host(labels), inside=inside)


_MAKE: dict[str, Callable[[Labels, float], Figure | None]] = {
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": _of_dcgm(Kind.COUNTER, J_PER_MJ),
    "DCGM_FI_DEV_POWER_USAGE": _of_dcgm(Kind.POWER, 1.0),
    "kepler_node_cpu_joules_total": _of_kepler_zone,
    "kepler_node_gpu_joules_total": _of_kepler_gpu,
    "scaph_socket_energy_microjoules": _of_scaphandre("package"),
    "scaph_domain_energy_microjoules": _of_scaphandre(None),
    "scaph_host_energy_microjoules": _of_scaphandre_host,
}
