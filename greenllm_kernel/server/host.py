"""What the server's host draws now: ``host``, for pages without a measured kernel."""

from __future__ import annotations

import asyncio
import atexit
import socket
import threading
import time
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from greenllm_kernel.accounting.record import SCHEMA
from greenllm_kernel.accounting.sampled import channels_now, power_now, searches, shortened, unusable_now
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.plugins import Fault, Plugins
from greenllm_kernel.server.handler import Handler
from greenllm_kernel.server.whereabouts import is_here

REST_AFTER_S = 10.0
"""How long after the last question the sensors are still read, s: a page asks every few seconds at most."""

MOST_METERS = 100
"""Unusable meters told of."""

UNASKED: dict[str, Any] = {
    "ready": False,
    "channels": [],
    "power_w": {},
    "utilization": {},
    "total_w": None,
    "unusable": [],
}
"""Said of a host that nobody wants to know about."""


class HostPower:
    """Samples this host while somebody asks, and for some seconds after. Keeps no record. May be used from any thread.

    Args:
        configuration: which meters to use.
        on_fault: told of plugins that fail.
        rest_after_s: how long after the last question the sensors are still read, s.
    """

    def __init__(
        self, configuration: Configuration, on_fault: Fault = lambda sentence: None, rest_after_s: float = REST_AFTER_S
    ) -> None:
        plugins = Plugins(configuration.disable_plugins, on_fault)
        self.sampler = Sampler(lambda: searches(plugins, configuration), configuration.use_meters)
        self._rest_after_s = rest_after_s
        self._lock = threading.Lock()
        self._is_awake = False
        self._awake_until_s = 0.0
        atexit.register(self.close)

    def now(self) -> dict[str, Any]:
        """Return what is known at this moment, and go on reading for some seconds."""
        sampler = self.sampler
        self._stay_awake()
        sampler.check(time.monotonic_ns())
        sampler.attribution.look()
        return {
            "ready": sampler.has_found,
            "channels": channels_now(sampler),
            **power_now(sampler),
            "unusable": unusable_now(sampler, MOST_METERS),
        }

    @property
    def is_awake(self) -> bool:
        """Whether the sensors are being read."""
        return self._is_awake

    def close(self) -> None:
        """Read no more, and give the sensors back."""
        atexit.unregister(self.close)
        self.sampler.close()

    def _stay_awake(self) -> None:
        with self._lock:
            self._awake_until_s = time.monotonic() + self._rest_after_s
            if not self._is_awake:
                self._is_awake = True
                self.sampler.hold()
                self._look_again_in(self._rest_after_s)

    def _look_again_in(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._rest_if_nobody_asks)
        timer.name, timer.daemon = "greenllm-rest", True
        timer.start()

    def _rest_if_nobody_asks(self) -> None:
        with self._lock:
            left_s = self._awake_until_s - time.monotonic()
            if left_s > 0:
                self._look_again_in(left_s)
                return
            self._is_awake = False
            self.sampler.release()


class HostHandler(Handler):
    """The host's power, and whether the kernel that was named is on it."""

    def initialize(self, power: HostPower) -> None:
        """Take what samples the host."""
        self._power = power

    @authenticated
    @authorized
    async def get(self) -> None:
        """Answer in the form of ``$defs/hostPower``; for a kernel on another host nothing is read."""
        kernel_id = self.get_query_argument("kernel", "")
        here = is_here(kernel_id, self.settings) if kernel_id else None
        power = UNASKED if here is False else await asyncio.to_thread(self._power.now)
        self.answer(
            {
                "schema": SCHEMA,
                "host": shortened(socket.gethostname()),
                "at_ms": time.time() * 1e3,
                "kernel_here": here,
                **power,
            }
        )
