"""The server's own sampler reads while somebody asks, and rests soon after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.server.host import HostPower
from greenllm_kernel.server.whereabouts import is_here
from message_schema import fits_schema

REST_AFTER_S = 1.0


@pytest.fixture
def power() -> Iterator[HostPower]:
    power = HostPower(Configuration(use_meters=frozenset({"virtual"})), rest_after_s=REST_AFTER_S)
    yield power
    power.close()


def wait_until(is_so: Callable[[], object], timeout_s: float = 20.0) -> None:
    until = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_nothing_is_read_before_somebody_asks(power: HostPower) -> None:
    assert not power.is_awake
    assert not power.sampler.has_found


def test_while_somebody_asks_power_is_known_and_afterwards_the_threads_rest(power: HostPower) -> None:
    wait_until(lambda: power.now()["total_w"] is not None)
    for channel in power.now()["channels"]:
        fits_schema(channel, "channel")
    wait_until(lambda: not power.is_awake)
    wait_until(lambda: all(reader.is_resting for reader in power.sampler.readers))
    cpu_s = power.sampler.cpu_s
    time.sleep(0.3)
    assert power.sampler.cpu_s == cpu_s


def test_who_asks_again_after_a_rest_gets_the_power_of_now(power: HostPower) -> None:
    wait_until(lambda: power.now()["total_w"] is not None)
    wait_until(lambda: not power.is_awake)
    wait_until(lambda: power.now()["total_w"] is not None)


def test_there_is_no_rest_while_the_questions_go_on(power: HostPower) -> None:
    until = time.monotonic() + 3 * REST_AFTER_S
    while (asked := time.monotonic()) < until:
        power.now()
        time.sleep(REST_AFTER_S / 20)
        is_awake = power.is_awake
        # A machine that is held up longer than that may have gone to rest.
        assert is_awake or time.monotonic() - asked >= REST_AFTER_S


class Elsewhere(KernelProvisionerBase):  # type: ignore[misc]
    """A provisioner that starts kernels on another machine."""


Elsewhere.__abstractmethods__ = frozenset()


class Wrapped(LocalProvisioner):
    """A provisioner that starts a process here, perhaps only to reach the kernel."""


class Kernels(dict[str, object]):
    """A kernel manager, as far as it is asked."""

    def get_kernel(self, kernel_id: str) -> object:
        return self[kernel_id]


class Kernel:
    def __init__(self, provisioner: object) -> None:
        self.provisioner = provisioner


@pytest.mark.parametrize(
    ("kind", "expected"), [(LocalProvisioner, True), (Elsewhere, False), (Wrapped, None), (None, None)]
)
def test_the_provisioner_tells_where_a_kernel_is(kind: type | None, expected: bool | None) -> None:
    kernels = Kernels(one=Kernel(kind.__new__(kind) if kind else None))
    assert is_here("one", {"kernel_manager": kernels}) is expected
    assert is_here("another", {"kernel_manager": kernels}) is None
