"""A counter's steps: wraps go on, resets and absurd jumps are bridged and say so."""

from __future__ import annotations

import pytest

from greenllm_kernel.metering.tracing.counter import Counter


def test_steps_add_up():
    counter = Counter(None)
    assert counter.step(1000.0, 0.0, 0.0).joules == 0.0
    assert counter.step(1012.5, 0.1, 100.0).joules == 12.5


def test_a_wrap_is_the_energy_across_it():
    counter = Counter(wraps_at_j=1000.0)
    counter.step(990.0, 0.0, 0.0)
    step = counter.step(5.0, 0.1, 150.0)
    assert step.joules == pytest.approx(15.0)
    assert not step.is_break


def test_a_step_back_without_a_declared_span_is_a_reset():
    counter = Counter(None)
    counter.step(990.0, 0.0, 0.0)
    step = counter.step(5.0, 0.5, 150.0)
    assert step.is_break
    assert step.joules == pytest.approx(75.0)
    assert step.variance_j2 > 0


def test_a_step_back_that_no_power_explains_is_a_reset_even_where_the_counter_wraps():
    counter = Counter(wraps_at_j=262_144.0)
    counter.step(1000.0, 0.0, 0.0)
    assert counter.step(5.0, 0.1, 150.0).is_break


def test_turns_that_may_have_passed_unseen_widen_the_interval():
    counter = Counter(wraps_at_j=65_536.0)
    counter.step(100.0, 0.0, 0.0)
    step = counter.step(300.0, 600.0, 250.0)
    assert step.joules == pytest.approx(200.0 + 2 * 65_536.0)
    assert step.variance_j2 >= 65_536.0**2 / 3


def test_a_jump_no_machine_can_draw_is_bridged():
    counter = Counter(None)
    counter.step(100.0, 0.0, 0.0)
    step = counter.step(1e9, 0.1, 200.0)
    assert step.is_break
    assert step.joules == pytest.approx(20.0)
