"""What stands below a cell says beside the energy what is net, what idle, and whose it is, or why that is not known."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from greenllm_kernel.accounting.record import ChannelEnergy, Record
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.notebook.display import as_html, bundle, text
from greenllm_kernel.notebook.html_table import table_html
from made_records import NOON, channel, measured, record

TAKEN = NOON - timedelta(minutes=26)


def gpu(gross_j: float, share_j: float | None, power_w: float | None, number: int = 0) -> ChannelEnergy:
    gross = measured(gross_j, gain_j=0.02 * gross_j, sensor=f"gpu:{number}")
    taken = Baseline(power_w, 1.0, TAKEN, 9.8, How.MEASURED) if power_w is not None else None
    idle = taken.energy(f"gpu:{number}", gross, 10.0) if taken else None
    return channel(f"gpu:{number}", Component.GPU, gross, f"GPU {number}", idle=idle, baseline=taken, share_j=share_j)


def cell(*channels: ChannelEnergy) -> Record:
    return record(name="train", intensity=None, channels=channels)


def test_a_known_net_is_the_second_line_of_the_text() -> None:
    at = f"{TAKEN.astimezone():%H:%M}"
    assert text(cell(gpu(1200, 852, 30))) == (
        "train: 1.20 ± 0.05 kJ, emissions unavailable, 10.0 s, measured\n"
        f"  net 900 ± 40 J (idle 300 J, measured {at}); this kernel 71 %"
    )


def test_a_net_below_zero_is_shown_as_it_is() -> None:
    assert "net -20 ± 20 J (idle 320 J" in text(cell(gpu(300, None, 32)))


def test_where_only_the_share_is_known_it_stands_alone_and_where_nothing_is_the_text_has_one_line() -> None:
    assert text(cell(gpu(1200, 852, None))).endswith("\n  this kernel 71 %")
    assert "\n" not in text(cell(gpu(1200, None, None)))
    assert "\n" not in text(record(None, name="blind", intensity=None))


def test_the_page_has_idle_net_and_share_of_the_whole_and_of_each_part() -> None:
    page = as_html(cell(gpu(1200, 852, 30, 0), gpu(600, 60, 30, 1)))
    at = f"{TAKEN.astimezone():%H:%M}"
    assert f"net 1.20 ± 0.05 kJ; idle 600 ± 32 J, measured {at} (10 s)" in page
    assert "this kernel 910 J (51 %)" in page
    for title in ("Idle", "Net", "This kernel"):
        assert f">{title}</th>" in page
    assert f"300 ± 23 J, measured {at} (10 s)" in page
    assert "60 J (10 %)".replace(" ", "\N{NO-BREAK SPACE}") in page
    assert "%energy idle" not in page


def test_what_is_not_known_has_a_reason_and_no_column() -> None:
    page = as_html(cell(gpu(1200, None, 30, 0), gpu(600, None, None, 1)))
    assert "net of GPU 0: 900 ± 40 J; idle 300 ± 23 J" in page
    assert "net: no idle power known of GPU 1; %energy idle measures it while nothing else runs" in page
    assert "this kernel&#x27;s share cannot be told of GPU 0; GPU 1" in page
    assert ">Net</th>" in page  # GPU 0 knows its own
    assert "This kernel</th>" not in page
    nothing = as_html(cell(gpu(1200, None, None)))
    assert ">Idle</th>" not in nothing and ">Net</th>" not in nothing
    assert "%energy idle" not in as_html(record(None))


def test_what_is_known_of_some_parts_says_of_which() -> None:
    shown = text(cell(gpu(1200, 852, 30, 0), gpu(600, None, 30, 1), gpu(600, 60, None, 2)))
    at = f"{TAKEN.astimezone():%H:%M}"
    net = f"net of GPU 0; GPU 1: 1.20 ± 0.05 kJ (idle 600 J, measured {at}), not of GPU 2 (no idle power known)"
    assert shown.split("\n  ")[1:] == [net, "this kernel 51 % of what could be told"]


def test_a_part_with_some_readings_is_partly_read_and_not_missing() -> None:
    partly = replace(gpu(1200, 852, 30), coverage=0.97, fault="the device was lost")
    made = cell(partly, channel("dram", Component.DRAM, None, "Memory", fault="the file has gone"))
    assert made.unavailable == ["dram"]
    assert [(reading.label, reading.coverage) for reading in made.partial] == [("GPU 0", pytest.approx(0.97))]
    shown = text(made)
    assert "  GPU 0: partly read (97 % of the time): the device was lost" in shown
    assert "  Memory: the file has gone" in shown


def test_the_bundle_has_the_same_figures_as_data() -> None:
    energy = next(iter(bundle(cell(gpu(1200, 852, 30))).values()))["energy"]
    assert (energy["gross_j"], energy["idle_j"], energy["net_j"], energy["share_j"]) == (1200, 300, 900, 852)
    low_j, high_j = energy["idle_interval_j"]
    assert (low_j + high_j) / 2 == 300
    assert energy["baseline"]["how"] == "measured"


def test_a_table_reads_well_without_styles_escapes_all_and_sets_no_colour() -> None:
    page = table_html(["Name", "Energy (95 %)"], [["<script>\n&", "1.20 ± 0.05 kJ"], ["train for an hour", "< 4.0 J"]])
    assert "color" not in page and "background" not in page
    plain = re.sub(r" style='[^']*'", "", page).replace("\N{NO-BREAK SPACE}", " ")
    assert "<td align='left' valign='top'>&lt;script&gt;<br>&amp;</td>" in plain
    assert "cellpadding='4'" in plain and "<th scope='col' align='left' valign='top'>Energy (95 %)</th>" in plain
    assert "1.20\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.05\N{NO-BREAK SPACE}kJ" in page
    assert "train for an hour" in page
