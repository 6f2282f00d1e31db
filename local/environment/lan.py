"""The address of this machine in its network, by which phones reach the page."""

from __future__ import annotations

import ipaddress
import socket

from local.progress import StepFailed

_ELSEWHERE = ("192.0.2.1", 9)  # RFC 5737: an address that no machine has, so it is reached by the default route


def lan_address() -> str:
    """The IPv4 address of the interface with the default route. Raises StepFailed if there is none.

    To connect a UDP socket selects the interface and sends nothing.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
            address: str = probe.getsockname()[0]
        except OSError:  # no route
            address = ""
    if not address or ipaddress.IPv4Address(address).is_loopback:
        raise StepFailed(
            "The address of this machine in its network is unknown, because it has no default route. Connect it to the "
            "network, or give the address: `ip address`, `ifconfig` or `ipconfig` lists it. Example: --lan 192.168.1.5"
        )
    return address
