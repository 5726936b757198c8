"""The windows of the accuracy benchmark in simulated time: in seconds, what takes minutes to measure in real time.

A pair of cards whose power goes to and fro, and one session with windows of several lengths, some within others.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from greenllm_kernel.metering.meter import Channel, Component, Kind
from greenllm_kernel.metering.window import Draw
from scenarios.chance import Lateness
from scenarios.driving import Driving
from scenarios.loads import Span, Wave
from scenarios.sensor import Sensed, Sensor, Ticks
from scenarios.simulated_time import START_NS, SimulatedTime
from standins import nvml

GAIN_UNCERTAINTY = 0.029


def measured(
    machine: nvml.Machine, seed: int, is_busy: bool, outer: int, single: Mapping[str, int], inner: Mapping[str, int]
) -> tuple[list[dict[str, object]], nvml.Machine]:
    """Return what scripts/window_energy.py prints, and the machine with the epoch of simulated time."""
    rng = random.Random(seed)
    lengths_s, windows_s = _plan(rng, outer, single, inner)
    time = SimulatedTime()
    cards = [_card(machine, index, is_busy) for index in range(len(machine.gpus))]
    late = Lateness(rng, busy_share=0.7) if is_busy else Lateness(rng)
    driving = Driving(Sensor(cards, time, rng, cpu_s=0.00015), time, late)
    said = []
    for length_s, one in list(zip(lengths_s, driving.measure(windows_s), strict=True))[1:]:
        energies = [_energy(one.draws, machine.channel_id(index)) for index in range(len(cards))]
        said.append(
            {
                "length_s": length_s,
                "span_ns": [START_NS + int(1e9 * t_s) for t_s in one.window_s],
                "ids": [card.channel.id for card in cards],
                "values_j": [sum(energies[1:], energies[0]).value_j, *(energy.value_j for energy in energies)],
                "intervals_j": [
                    energy.repeatability_interval_j for energy in (sum(energies[1:], energies[0]), *energies)
                ],
            }
        )
    return said, replace(machine, epoch_ns=START_NS)


def _energy(draws: Sequence[Draw], channel_id: str):
    return next(draw.energy for draw in draws if draw.channel.id == channel_id)


def _card(machine: nvml.Machine, index: int, is_busy: bool) -> Sensed:
    gpu = machine.gpus[index]
    channel = Channel(
        machine.channel_id(index),
        Component.GPU,
        gpu.name,
        frozenset(Kind),
        update_period_s=0.1,
        averaging_window_s=0.025,
        gain_uncertainty=GAIN_UNCERTAINTY,
    )
    return Sensed(
        channel,
        Wave(gpu.low_w, gpu.high_w, gpu.period_s, gpu.phase_s, gpu.duty),
        gain_error=0.0,
        counter_ticks=Ticks(gpu.counter_period_s, gpu.counter_phase_s),
        power_ticks=Ticks(gpu.power_period_s, gpu.power_phase_s),
        averaging_s=gpu.power_window_s,
        offset_j=gpu.counter_offset_j,
        counter_step_j=0.001,
        power_step_w=0.001,
        latency_s=gpu.latency_s,
        regain_s=0.006 if is_busy else 0.0,
    )


def _plan(
    rng: random.Random, outer: int, single: Mapping[str, int], inner: Mapping[str, int]
) -> tuple[list[float], list[Span]]:
    """Return the lengths and spans, s, of a warm-up and of the windows that scripts/window_energy.py measures."""
    plan = [5.0] * outer + [float(length) for length, count in single.items() for _ in range(count)]
    rng.shuffle(plan)
    lengths_s, windows_s = [2.0], [(0.1, 2.1)]
    t_s = 2.1
    for length_s in plan:
        t_s += rng.uniform(0.02, 0.15) if rng.random() < 0.75 else rng.uniform(0.5, 2.5)
        lengths_s.append(length_s)
        windows_s.append((t_s, t_s + length_s))
        if length_s == 5.0:
            epochs = [float(length) for length, count in inner.items() for _ in range(count)]
            rng.shuffle(epochs)
            weights = [rng.random() for _ in range(len(epochs) + 1)]
            spare_s = 4.7 - sum(epochs)
            inside_s = t_s
            for epoch_s, weight in zip(epochs, weights, strict=False):
                inside_s += spare_s * weight / sum(weights)
                lengths_s.append(epoch_s)
                windows_s.append((inside_s, inside_s + epoch_s))
                inside_s += epoch_s
        t_s += length_s
    return lengths_s, windows_s
