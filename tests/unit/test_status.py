"""What ``%energy status`` says."""

from __future__ import annotations

from greenllm_kernel.metering.meter import UnusableMeter
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.notebook.status import status_text


def test_before_anything_but_the_asking_cell_was_measured_it_says_so(start):
    session, _ = start()
    run = session.open("%energy status")
    assert "This session: nothing measured yet" in status_text(session, True)
    run.close()
    run.settle(5.0)
    assert "This session: unavailable in " in status_text(session, True)


def test_a_reason_and_what_to_do_about_it_are_two_sentences(start):
    session, _ = start(
        VirtualMeter([]),
        UnusableMeter("sun", "it is dark", "Wait for the morning."),
        UnusableMeter("moon", "it is new."),
    )
    lines = status_text(session, False).splitlines()
    assert "  sun: cannot be used: it is dark. Wait for the morning." in lines
    assert "  moon: cannot be used: it is new." in lines
