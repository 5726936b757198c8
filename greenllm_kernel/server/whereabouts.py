"""Whether a kernel runs on the server's own host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_server.gateway.gateway_client import GatewayClient


def is_here(kernel_id: str, settings: Mapping[str, Any]) -> bool | None:
    """Return whether a kernel runs on this host; None where that cannot be told.

    Args:
        kernel_id: as the server knows it.
        settings: of the server's web application.
    """
    if GatewayClient.initialized() and GatewayClient.instance().gateway_enabled:
        return False
    kernels = settings.get("kernel_manager")
    if kernels is None or kernel_id not in kernels:
        return None
    provisioner = getattr(kernels.get_kernel(kernel_id), "provisioner", None)
    if provisioner is None:
        return None  # started by somebody else, who knows where
    if not isinstance(provisioner, LocalProvisioner):
        return False
    # One derived from the local one starts a process here too, but maybe only to reach the kernel elsewhere.
    return True if type(provisioner) is LocalProvisioner else None
