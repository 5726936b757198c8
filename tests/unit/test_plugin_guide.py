"""The plugin guide: a row for each hook, a section for each meter, and an example that works."""

from __future__ import annotations

import re
import threading
import time
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from driven import gpu, package
from greenllm_kernel import hookspecs
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Meter, UnusableMeter
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.S)


@pytest.fixture
def plug() -> Iterator[str]:
    """A wall plug that answers with 42.5 W."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"42.5")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def found_by_example(options: dict[str, str]) -> Meter | UnusableMeter:
    example = ModuleType("wall_plug")
    exec(blocks("python")[0], example.__dict__)
    plugins = Plugins(found=[])
    plugins.register(example, "wall_plug")
    ((found,),) = plugins.call("greenllm_meters", config=Configuration(meters={"wall_plug": options}))
    assert isinstance(found, Meter | UnusableMeter)
    return found


def test_every_hook_has_a_row() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("greenllm_")]

    assert hooks and all(re.search(rf"^\| `{hook}\(", GUIDE, re.M) for hook in hooks)


def test_every_built_in_meter_has_a_section() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    entry_points = project["project"]["entry-points"]["greenllm"]

    meters = [name for name, module in entry_points.items() if ".meters." in module]

    assert meters and all(f"\n### {name}: " in GUIDE for name in meters)


def test_the_example_meter_works(plug: str) -> None:
    meter = found_by_example({"url": plug})

    assert not isinstance(meter, UnusableMeter)
    (reading,) = meter.read([channel.id for channel in meter.channels()])
    assert (reading.value, reading.fault) == (42.5, None)


def test_the_example_meter_says_what_is_wrong() -> None:
    unset = found_by_example({})
    unreachable = found_by_example({"url": "http://127.0.0.1:9"})

    assert isinstance(unset, UnusableMeter) and "no url is set" in unset.reason
    assert not isinstance(unreachable, UnusableMeter)
    assert "the plug at" in (unreachable.read(["platform:wall-plug"])[0].fault or "")


def test_the_example_meter_counts_once_beside_the_processors_and_the_gpu(plug: str, start) -> None:  # type: ignore[no-untyped-def]
    meter = found_by_example({"url": plug})
    parts = VirtualMeter([gpu(Constant(20.0), "gpu:0"), package(Constant(10.0), "cpu:0")])
    session, _ = start(parts, meter)
    session.find_meters()

    with measure(session=session) as run:
        time.sleep(1.0)
    record = run.settle()

    assert {channel.channel_id: channel.counted for channel in record.channels} == {
        "gpu:0": False,
        "cpu:0": False,
        "platform:wall-plug": True,
    }
    assert record.gross is not None and record.gross.value_j == pytest.approx(42.5 * record.duration_s, rel=0.2)


def test_the_virtual_meter_s_table_works() -> None:
    from greenllm_plugins.meters.virtual import greenllm_meters

    (table,) = (block for block in blocks("toml") if "[meters.virtual]" in block)
    (meter,) = greenllm_meters(Configuration.from_mapping(tomllib.loads(table)))

    assert not isinstance(meter, UnusableMeter), meter
    assert [channel.label for channel in meter.channels()] == ["Card A"]
