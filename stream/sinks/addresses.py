"""Which network addresses belong to this machine or to its neighbourhood, however they are written."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_private(address: str) -> bool:
    """Whether an IP address is not a public one: loopback, local networks, link-local, multicast, reserved."""
    try:
        found = ip_address(address)
    except ValueError:
        return True
    return any(not one.is_global or one.is_multicast or one.is_reserved for one in _forms(found))


def is_private_host(host: str) -> bool:
    """The same for what stands in an address, as far as it can be told without asking a name server."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return is_private(host)


def _forms(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address, or the IPv4 addresses that a packet sent to it would reach."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    else:
        yield address
        embedded = [address.sixtofour, *(address.teredo or ())]
        yield from (one for one in embedded if one is not None)
