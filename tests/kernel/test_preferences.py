"""A page's place is taken over the control channel, also in mid-cell; anything hostile is refused and harmless."""

from __future__ import annotations

import time

import pytest

from live import LiveKernel
from message_schema import fits_schema


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    live = LiveKernel(tmp_path_factory.mktemp("preferences"))
    yield live
    live.close()


def prefer(kernel, place):
    return kernel.ask("greenllm_preferences", {"schema": 1, "place": place})


def hello(kernel):
    return kernel.snapshot()["messages"][0]


def test_a_place_is_in_force_before_anything_is_measured(kernel):
    reply = prefer(kernel, "fr")
    fits_schema(reply, "preferencesReply")
    assert reply == {"status": "ok", "schema": 1, "problem": None}
    assert hello(kernel)["intensity"]["place"] == "FR"
    assert hello(kernel)["preferences_error"] is None


def test_every_page_hears_of_a_change_in_mid_cell_and_later_sums_follow(kernel):
    kernel.run("%%energy before -q\nimport time; time.sleep(0.4)")
    kernel.events.clear()
    request = kernel.client.execute("import time; time.sleep(2)")
    time.sleep(0.5)
    began = time.monotonic()
    assert prefer(kernel, "DE")["problem"] is None
    assert time.monotonic() - began < 1.9
    kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)
    assert any(event["intensity"]["place"] == "DE" for event in kernel.of_kind("hello"))
    page = kernel.snapshot()["messages"]
    totals = next(message for message in page if message["kind"] == "totals")
    per_kwh = page[0]["intensity"]["value_gco2e_per_kwh"]
    assert totals["mass_gco2e"] == pytest.approx(totals["energy_j"] / 3.6e6 * per_kwh)
    for cell in (message for message in page if message["kind"] == "cell"):
        assert cell["mass_gco2e"] == pytest.approx(cell["energy_j"] / 3.6e6 * per_kwh)


def test_the_same_place_again_says_nothing_on_iopub(kernel):
    prefer(kernel, "DE")
    kernel.listen_until_quiet()
    kernel.events.clear()
    for _ in range(3):
        prefer(kernel, "DE")
    kernel.listen(0.5)
    assert kernel.events == []


def test_a_place_that_is_none_is_said_with_what_is_near_and_the_world_is_taken(kernel):
    reply = prefer(kernel, "Germny")
    fits_schema(reply, "preferencesReply")
    assert reply["status"] == "ok"
    assert "did you mean 'DE' (Germany)?" in reply["problem"]
    assert hello(kernel)["preferences_error"] == reply["problem"]
    assert hello(kernel)["intensity"]["place"] == "world"
    assert prefer(kernel, None)["problem"] is None
    assert hello(kernel)["preferences_error"] is None


@pytest.mark.parametrize("place", [5, True, ["FR"], {"a": 1}, "x" * 101, "FR\n", "\x00", 1e308])
def test_what_is_no_place_is_refused_and_the_former_stays(kernel, place):
    prefer(kernel, "FR")
    reply = prefer(kernel, place)
    fits_schema(reply, "preferencesReply")
    assert reply["status"] == "error"
    assert "expected a text" in reply["problem"]
    assert hello(kernel)["intensity"]["place"] == "FR"


@pytest.mark.parametrize("content", [{}, {"schema": 1}, {"place": [[]] * 1000}, {"__class__": "x"}])
def test_content_of_any_other_form_is_refused(kernel, content):
    reply = kernel.ask("greenllm_preferences", content)
    assert reply["status"] == "error"
    assert kernel.run("1 + 1").result == "2"


def test_the_kernels_own_place_comes_first(tmp_path):
    live = LiveKernel(tmp_path, {"GREENLLM_PLACE": "SE"})
    try:
        assert "SE" in prefer(live, "FR")["problem"]
        live.run("import time; time.sleep(0.3)")
        live.listen_until_quiet()
        assert hello(live)["intensity"]["place"] == "SE"
        assert prefer(live, "SE")["problem"] is None
    finally:
        live.close()
