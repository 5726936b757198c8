"""A page may ask for the whole record of a run, to keep it in its notebook."""

from __future__ import annotations

import time

import pytest

from live import LiveKernel
from message_schema import fits_schema


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    live = LiveKernel(tmp_path_factory.mktemp("records"))
    yield live
    live.close()


@pytest.fixture
def ask(kernel):
    def ask(run_id):
        reply = kernel.ask("greenllm_record", {"schema": 1, "run_id": run_id})
        fits_schema(reply, "recordReply")
        return reply

    return ask


def settled_row(kernel):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        kernel.listen(0.3)
        for event in kernel.of_kind("cell"):
            if event["settled"]:
                return event
    raise AssertionError("the kernel told of no settled run")


def test_the_record_of_a_settled_run_is_told_whole(kernel, ask):
    kernel.run("import time\ntime.sleep(0.3)  # kept")
    row = settled_row(kernel)
    record = ask(row["run_id"])["record"]
    assert record["settled"]
    assert record["cell_id"] == row["cell_id"]
    assert record["energy"]["gross_j"] == pytest.approx(row["energy_j"])
    assert record["channels"]


@pytest.mark.parametrize("run_id", ["", "of another kernel", None, 7, ["a", {"b": []}], "\x00" * 100_000])
def test_of_anything_else_there_is_none(ask, run_id):
    assert ask(run_id) == {"status": "ok", "schema": 1, "record": None}


def test_a_request_of_another_form_does_no_harm(kernel, ask):
    assert kernel.ask("greenllm_record", {"pages": [1]})["record"] is None
    assert kernel.run("1 + 1").result == "2"
