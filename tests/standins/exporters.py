"""A local HTTP server that serves pages as exporters write them, and misbehaves when told to.

For example::

    with Server() as server:
        server.page = dcgm({"GPU-aaaa": (1_000.0, 250.0)})
        server.url
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves ``page`` at ``/metrics`` of 127.0.0.1.

    Attributes:
        page: what is served, or what makes it.
        status: of the answer.
        wants: the authorization that is asked for; None: none is.
        before: called in each request; may sleep.
        to: an address to redirect to; None: the page is served.
        dribble_s: pause after each 100 bytes, s.
        requests: headers of the requests so far.
    """

    def __init__(self) -> None:
        self.page: str | bytes | Callable[[], str] = ""
        self.status = 200
        self.wants: str | None = None
        self.before: Callable[[], None] = lambda: None
        self.to: str | None = None
        self.dribble_s = 0.0
        self.requests: list[Mapping[str, str]] = []

    def __enter__(self) -> Server:
        server = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(OSError):  # the client may have gone
                    server._answer(self)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/metrics"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(request.headers))
        self.before()
        if self.to is not None:
            request.send_response(302)
            request.send_header("Location", self.to)
            request.end_headers()
            return
        is_refused = self.wants is not None and request.headers.get("Authorization") != self.wants
        request.send_response(401 if is_refused else self.status)
        request.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        request.end_headers()
        if is_refused or self.status != 200:
            return
        page = self.page() if callable(self.page) else self.page
        body = page if isinstance(page, bytes) else page.encode()
        step = 100 if self.dribble_s else len(body) or 1
        for start in range(0, len(body), step):
            request.wfile.write(body[start : start + step])
            time.sleep(self.dribble_s)


def dcgm(gpus: Mapping[str, tuple[float, float]], host: str = "node-7", extra: str = "") -> str:
    """Return a page of DCGM exporter 4: by UUID of a GPU, J and W."""

    def series(name: str, kind: str, of: Callable[[tuple[float, float]], object]) -> str:
        lines = [f"# HELP {name} What it is (in units).", f"# TYPE {name} {kind}"]
        for number, (uuid, values) in enumerate(gpus.items()):
            lines.append(
                f'{name}{{gpu="{number}",UUID="{uuid}",pci_bus_id="00000000:0{number}:00.0",device="nvidia{number}",'
                f'modelName="NVIDIA H100 80GB HBM3",Hostname="{host}"{extra}}} {of(values)}'
            )
        return "\n".join(lines) + "\n"

    return (
        series("DCGM_FI_DEV_SM_CLOCK", "gauge", lambda values: 1980)
        + series("DCGM_FI_DEV_POWER_USAGE", "gauge", lambda values: f"{values[1]:.6f}")
        + series("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", lambda values: round(1e3 * values[0]))
    )


def kepler(
    zones: Mapping[tuple[str, str], float], gpus: Mapping[str, float] | None = None, node: str = "node-7"
) -> str:
    """Return a page of Kepler 0.11: by zone and path, J; and by UUID of a GPU, J."""
    lines = [
        "# HELP kepler_node_cpu_joules_total Energy consumption of cpu at node level in joules",
        "# TYPE kepler_node_cpu_joules_total counter",
    ]
    for (zone, path), energy_j in zones.items():
        lines.append(f'kepler_node_cpu_joules_total{{node_name="{node}",path="{path}",zone="{zone}"}} {energy_j!r}')
    lines += [
        "# HELP kepler_node_cpu_watts Power consumption of cpu at node level in watts",
        "# TYPE kepler_node_cpu_watts gauge",
        f'kepler_node_cpu_watts{{node_name="{node}",path="/host/sys/class/powercap/intel-rapl:0",zone="package"}} 61.2',
        "# HELP kepler_process_cpu_joules_total Energy consumption of cpu at process level in joules",
        "# TYPE kepler_process_cpu_joules_total counter",
        'kepler_process_cpu_joules_total{comm="a \\"b\\" {c}",container_id="",exe="/x",node_name="'
        f'{node}",pid="12",state="running",type="regular",vm_id="",zone="package"}} 12.5',
    ]
    for number, (uuid, energy_j) in enumerate((gpus or {}).items()):
        lines.append(
            f'kepler_node_gpu_joules_total{{gpu="{number}",gpu_name="NVIDIA A100-SXM4-40GB",gpu_uuid="{uuid}",'
            f'node_name="{node}",vendor="nvidia"}} {energy_j!r}'
        )
    return "\n".join(lines) + "\n"


def scaphandre(sockets: Mapping[int, float], dram: Mapping[int, float], psys_j: float | None = None) -> str:
    """Return a page of Scaphandre 1.0: by socket, J of the socket and of its DRAM; and of the board."""
    host_j = sum(sockets.values()) + sum(dram.values()) if psys_j is None else psys_j
    source = "powercap_rapl_pkg" if psys_j is None else "powercap_rapl_psys"
    lines = [
        "# HELP scaph_host_energy_microjoules Energy measurement for the whole host, as extracted from the sensor.",
        "# TYPE scaph_host_energy_microjoules counter",
        f'scaph_host_energy_microjoules{{value_source="{source}"}} {round(1e6 * host_j)}',
        "# HELP scaph_host_power_microwatts Power measurement on the whole host, in microwatts",
        "# TYPE scaph_host_power_microwatts gauge",
        f'scaph_host_power_microwatts{{value_source="{source}"}} 61000000',
        "# HELP scaph_socket_energy_microjoules Socket related energy measurement in microjoules.",
        "# TYPE scaph_socket_energy_microjoules counter",
    ]
    lines += [f'scaph_socket_energy_microjoules{{socket_id="{s}"}} {round(1e6 * j)}' for s, j in sockets.items()]
    lines += [
        "# HELP scaph_domain_energy_microjoules Domain related energy measurement in microjoules.",
        "# TYPE scaph_domain_energy_microjoules counter",
    ]
    lines += [
        f'scaph_domain_energy_microjoules{{domain_name="dram",domain_id="1",socket_id="{s}"}} {round(1e6 * j)}'
        for s, j in dram.items()
    ]
    return "\n".join(lines) + "\n"
