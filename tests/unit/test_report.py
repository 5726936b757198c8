"""The report is one page that stands alone, and says of every figure how far it can be trusted."""

from __future__ import annotations

import io
import math
import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console

from greenllm_kernel.accounting.chart import HEIGHT, TOP, nice_step, nice_time_step, power_chart
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.accounting.report import html_report
from greenllm_kernel.accounting.series import POINTS
from greenllm_kernel.accounting.tables import print_records
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Component
from made_records import FRANCE, NOON, channel, estimated, measured, record

VOID = {"meta", "br", "line", "rect", "polyline", "circle", "path"}


class Page(HTMLParser):
    """An HTML page taken apart: its elements, its text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == [], self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def session(**more: Any) -> list[Record]:
    """A GPU that is measured, and memory that is estimated in the first cell and not known in the second."""
    gpu = {"label": "NVIDIA H200", "meter": "nvml"}
    return [
        record(
            name="train",
            stage="train",
            cell_id="a",
            execution_count=3,
            counts={"token": 1000.0},
            channels=[
                channel("gpu:0", Component.GPU, measured(9000, 30, 100), **gpu),
                channel("dram", Component.DRAM, estimated(100, 40), "Memory", meter="ram_model"),
            ],
            series={"gpu:0": [(0.0, 800.0), (10.0, 1000.0)], "dram": [(0.0, 10.0), (10.0, 10.0)]},
            **more,
        ),
        record(
            name="evaluate",
            stage="evaluate",
            cell_id="b",
            execution_count=4,
            begin_s=10.1,
            channels=[
                channel("gpu:0", Component.GPU, measured(900, 30, 10), **gpu),
                channel("dram", Component.DRAM, None, "Memory", meter="ram_model", fault="the file has gone"),
            ],
            series={"gpu:0": [(0.0, 90.0), (10.0, 90.0)]},
            **more,
        ),
    ]


def test_the_page_stands_alone_and_runs_nothing() -> None:
    text = html_report(session(), "train.ipynb")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not re.search(r"https?://|url\(|@import|\son\w+=", text)
    assert "default-src 'none'" in text
    assert len(text) < 40_000


def test_what_a_user_wrote_is_text_and_never_markup() -> None:
    hostile = "<script>alert(1)</script>&\"'"
    page = Page(
        html_report([record(measured(1), name=hostile, stage=hostile, cell_id="a")], hostile, sources={"a": hostile})
    )
    assert "script" not in {tag for tag, _ in page.elements}
    assert page.text.count(hostile) >= 4


def test_totals_cells_stages_and_channels_have_intervals_and_provenance() -> None:
    text = Page(html_report(session(), "train.ipynb")).text
    assert "Energy 10.00 ± 0.24 kJ estimated" in text
    assert "99 % measured 1 % estimated" in text
    assert "[3] train train 1 10.0 s 9.10 ± 0.22 kJ 9.10 ± 0.22 J/token 91 %" in text
    assert "Mean power" in text
    assert "NVIDIA H200 gpu:0 gpu nvml 9.90 ± 0.23 kJ 100 % measured" in text
    assert "FR: 56 [30, 105] gCO2e/kWh (2023; a source)" in text
    for word in ("read from an energy counter", "integrated from power readings", "computed by a model"):
        assert word in text


def with_idle(second_has_it: bool = True) -> list[Record]:
    """Return two cells on a GPU that idles at 75 W; the first one's net is far from 0, the second one's is not."""
    taken = Baseline(75.0, 2.0, NOON - timedelta(minutes=26), 9.0, How.MEASURED)

    def cell(name: str, gross_j: float, share_j: float, begin_s: float, knows: bool = True) -> Record:
        gross = measured(gross_j, gain_j=0.02 * gross_j)
        gpu = channel(
            "gpu:0",
            Component.GPU,
            gross,
            "NVIDIA H200",
            idle=taken.energy("gpu:0", gross, 10.0) if knows else None,
            baseline=taken if knows else None,
            share_j=share_j,
        )
        return record(name=name, cell_id=name, stage=name, begin_s=begin_s, channels=[gpu])

    return [cell("train", 3000, 2100, 0), cell("rest", 730, 40, 20, second_has_it)]


def test_gross_idle_and_net_stand_side_by_side_with_the_kernels_share() -> None:
    text = Page(html_report(with_idle(), "net")).text
    assert "Net of idle 2.23 ± 0.12 kJ idle 1.50 ± 0.10 kJ" in text
    assert "This kernel 2.1 kJ (57 %) of the energy" in text
    assert re.search(r"train .*3.00 ± 0.12 kJ 80 % 2.25 ± 0.10 kJ idle 750 ± 50 J this kernel 2.1 kJ \(70 %\)", text)
    assert "-20 ± 40 J" in text
    assert "NVIDIA H200 gpu:0 gpu virtual 3.73 ± 0.15 kJ 1.50 ± 0.10 kJ 2.23 ± 0.12 kJ 2.1 kJ (57 %) 100 %" in text
    taken = (NOON - timedelta(minutes=26)).astimezone()
    assert f"Net is what was drawn beyond idle power, measured {taken:%H:%M} (9 s)." in text
    assert "drawn beyond that" in text


def test_without_a_baseline_the_report_says_why_there_is_no_net() -> None:
    page = html_report(session(), "train.ipynb")
    assert '<th class="number">Net</th>' not in page
    text = Page(page).text
    assert "Net is not known of NVIDIA H200; Memory: no idle power was known then; in a notebook, %energy idle" in text
    assert "Net of idle" not in text


def test_cells_that_know_their_net_show_it_beside_others_that_do_not() -> None:
    text = Page(html_report(with_idle(second_has_it=False), "half")).text
    assert "2.25 ± 0.10 kJ" in text
    assert "Net of idle 2.25 ± 0.10 kJ idle 750 ± 50 J; of NVIDIA H200, not of NVIDIA H200 for a time" in text
    assert "Net is not known of NVIDIA H200 in one run: no idle power was known then" in text


def test_what_is_unavailable_is_listed_with_its_reason_and_is_not_zero() -> None:
    text = Page(html_report(session(), "train.ipynb")).text
    assert "Missing from the energy" not in text
    assert "Partly read: Memory (50 % of the time)." in text
    assert "measured without Memory" in text
    assert "the file has gone" in text
    assert not re.search(r"(^|[^.\d])0 J", text)
    nothing = Page(html_report([record(None, name="blind")], "blind")).text
    assert "unavailable" in nothing
    assert "One run is without any reading: the totals lack their energy." in nothing
    assert "Not known, so emissions are unavailable." in nothing


def test_shares_are_drawn_as_bars_of_the_total() -> None:
    page = Page(html_report(session(), "train.ipynb"))
    widths = [attributes["style"] for tag, attributes in page.elements if tag == "i" and "width" in str(attributes)]
    assert "width: 91.0%" in widths
    assert "width: 9.0%" in widths


def test_a_window_inside_a_cell_is_in_no_sum_twice() -> None:
    cell = record(measured(100), name="cell", cell_id="a", series={"gpu:0": [(0, 10.0), (10, 10.0)]})
    inner = record(measured(60), name="inner", begin_s=1, duration_s=6, parent_run_id=cell.run_id, cell_id="a")
    text = Page(html_report([cell, inner], "nested")).text
    assert "Energy 100 J" in text
    assert "inner" not in text


def test_the_time_told_reaches_to_the_end_of_what_ended_last() -> None:
    whole = record(measured(10), duration_s=7200)
    inner = record(measured(1), begin_s=1, duration_s=1, parent_run_id=whole.run_id)
    begin, end = (f"{moment.astimezone():%H:%M}" for moment in (NOON, NOON + timedelta(hours=2)))
    assert f"{begin} to {end}" in html_report([whole, inner], "report")


def test_cut_off_and_overlapping_runs_are_pointed_out() -> None:
    text = Page(
        html_report(
            [record(measured(10)), record(measured(10), begin_s=5, status=Status.PARTIAL, settled=False)], "rough"
        )
    ).text
    assert "Windows overlapped for 5.00 s" in text
    assert "One run is still open, or cut off" in text


def test_sessions_are_kept_apart() -> None:
    page = Page(html_report([*session(session_id="one"), *session(session_id="two", host="other")], "both"))
    assert "2 sessions" in page.text
    assert "session one" in page.text
    assert "other, session two" in page.text
    assert sum(tag == "svg" for tag, _ in page.elements) == 2


def test_the_chart_is_to_scale_and_pauses_are_cut() -> None:
    train, evaluate = session()
    later = [train, record(name="later", begin_s=5000, channels=evaluate.channels, series=evaluate.power())]
    chart = power_chart(later, {train.run_id: "[3]"})
    assert chart is not None
    assert len(chart.cuts) == 1
    gpu = next(line for line in chart.lines if line.label == "NVIDIA H200")
    (_, y_first), (_, y_last) = (map(float, point.split(",")) for point in gpu.paths[0].split())
    zero_y = next(tick.at for tick in chart.y_ticks if tick.text == "0")
    assert (zero_y - y_first) / (zero_y - y_last) == pytest.approx(0.8, rel=1e-3)
    assert TOP <= y_last < y_first < HEIGHT
    assert chart.bands[0].label == "[3]"
    assert chart.bands[1].x + chart.bands[1].width == pytest.approx(chart.right)


def test_channels_inside_others_are_not_drawn() -> None:
    core = channel("core", Component.CPU, measured(5), counted=False)
    package = channel("package", Component.CPU, measured(10))
    points = [(0.0, 1.0), (1.0, 1.0)]
    chart = power_chart([record(channels=[package, core], series={"package": points, "core": points})], {})
    assert chart is not None
    assert [line.label for line in chart.lines] == ["package"]


def test_a_long_session_makes_a_page_that_a_browser_opens_gladly() -> None:
    series = {f"gpu:{gpu}": [(i * 0.1, 300 + 50 * math.sin(i)) for i in range(POINTS)] for gpu in range(8)}
    channels = [channel(name, Component.GPU, measured(1000), "NVIDIA H200") for name in series]
    records = [
        record(channels=channels, name=f"cell {i}", begin_s=i * 50, duration_s=50, series=series) for i in range(200)
    ]
    text = html_report(records, "long")
    assert len(text) < 1_500_000
    assert "NVIDIA H200 (gpu:7)" in text


def test_records_without_a_power_series_have_no_chart() -> None:
    assert power_chart([record(measured(1))], {}) is None
    assert "<svg" not in html_report([record(measured(1))], "plain")


@pytest.mark.parametrize(("span", "step"), [(1000, 200), (90, 20), (7.3, 2), (0.004, 0.001)])
def test_axis_steps_are_round(span: float, step: float) -> None:
    assert nice_step(span, 5) == pytest.approx(step)


def test_time_steps_are_round_in_minutes_and_hours() -> None:
    assert nice_time_step(96, 8) == 15
    assert nice_time_step(3600, 8) == 600
    assert nice_time_step(8 * 3600, 8) == 3600


def printed(records: list[Record], width: int = 140) -> str:
    page = io.StringIO()
    print_records(Console(file=page, width=width), records)
    return page.getvalue()


def test_tables_of_text_say_the_same() -> None:
    text = printed(session())
    assert re.search(r"\[3\]\s+train\s+train\s+10\.0 s\s+9\.10 ± 0\.22 kJ\s+91 %.*estimated\s+ok", text)
    assert re.search(r"\[4\]\s+evaluate\s.*measured\s+ok\s*\n.*without Memory", text)
    assert "J/token" in text
    assert re.search(r"evaluate\s+1\s+10\.0 s", text)
    assert f"{FRANCE.place}: 56 [30, 105] gCO2e/kWh" in text


def test_tables_of_text_have_net_in_columns_where_there_is_room_and_below_the_energy_where_not() -> None:
    wide = printed(with_idle(), 160)
    assert re.search(r"Energy \(95 %\) +Share +Net \(95 %\) +This kernel", wide)
    assert re.search(r"train .*3\.00 ± 0\.12 kJ +80 % +2\.25 ± 0\.10 kJ +2\.1 kJ \(70 %\)", wide)
    assert re.search(r"total .*3\.73 ± 0\.15 kJ +2\.23 ± 0\.12 kJ +2\.1 kJ \(57 %\)", wide)
    for width in (80, 120):
        text = printed(with_idle(), width)
        assert re.search(r"net 2\.25 ± 0\.10 kJ *\n +this kernel 2\.1 kJ \(70 %\)", text)
        assert "net -20 ± 40 J" in text
        assert all(len(line) <= width for line in text.splitlines() if "±" in line)
    assert "This kernel" not in printed(session(), 160)


def test_names_with_brackets_are_printed_as_they_are() -> None:
    assert "x[0] [bold]loud[/] [/nonsense]" in printed([record(measured(1), name="x[0] [bold]loud[/] [/nonsense]")])


def test_reruns_of_a_cell_are_one_row_that_says_how_many() -> None:
    runs = [record(measured(100), name="train", cell_id="a", begin_s=20 * i, execution_count=i) for i in (1, 2, 3)]
    text = printed(runs)
    assert re.search(r"\[3\]\s+train x 3\s+30\.0 s\s+300 J", text)
