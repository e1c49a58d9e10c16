"""Which addresses are private."""

from __future__ import annotations

import pytest

from stream.sinks.addresses import is_private, is_private_host


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%2",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "no address",
    ],
)
def test_private_addresses_are_seen_in_every_form(address: str) -> None:
    """Loopback, local, link-local and reserved ones, also inside an IPv6 address."""
    assert is_private(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_not(address: str) -> None:
    """Those anybody can reach."""
    assert not is_private(address)


def test_a_host_is_judged_as_far_as_it_can_be_without_asking() -> None:
    """Numbers and localhost; for any other name the answer comes with the connection."""
    assert is_private_host("localhost") and is_private_host("LOCALHOST.") and is_private_host("a.localhost")
    assert is_private_host("127.0.0.1") and is_private_host("::1")
    assert not is_private_host("example.com") and not is_private_host("8.8.8.8")
