"""Starting and stopping the server: addresses, errors, and that it leaves nothing behind."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from stream.api import ApiServer, create_app
from stream.errors import R2StreamError

if TYPE_CHECKING:
    from tests.conftest import Served, ServeFactory


def test_a_port_in_use_is_explained(served: Served) -> None:
    """The error names the address and says what to do."""
    with pytest.raises(
        R2StreamError, match=rf"port {served.server.port} .*stop what uses it or choose another"
    ) as caught:
        ApiServer(create_app(served.service), "127.0.0.1", served.server.port)
    assert caught.value.code == "address_unusable"


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 0), ("nowhere.invalid", 0), ("127.0.0.1", 99_999)])
def test_an_address_that_is_not_ours_is_explained(served: Served, host: str, port: int) -> None:
    """A host that is not this machine's, or a port that is none."""
    with pytest.raises(R2StreamError, match="cannot listen on"):
        ApiServer(create_app(served.service), host, port)


def test_the_port_is_free_after_stopping(serve: ServeFactory) -> None:
    """A restart takes the same port at once."""
    with serve() as first:
        assert httpx.get(f"{first.url}/healthz", trust_env=False).status_code == 200
    with serve(port=first.server.port) as second:
        assert second.url == first.url
        assert httpx.get(f"{second.url}/healthz", trust_env=False).status_code == 200


def test_small_messages_are_not_held_back(served: Served) -> None:
    """Nagle's algorithm would keep the second of two events until the first is acknowledged: up to 40 ms."""
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        client.get("/healthz")
        (connection,) = served.server._server.server_state.connections
        line = connection.transport.get_extra_info("socket")
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_stopping_twice_is_stopping(serve: ServeFactory) -> None:
    """stop is safe to repeat, and the thread is gone."""
    before = threading.active_count()
    with serve() as served:
        served.server.stop()
        served.server.stop()
        assert threading.active_count() <= before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/healthz", trust_env=False)


def test_a_server_that_never_started_can_be_stopped(served: Served) -> None:
    """The address is given back although nothing was served."""
    server = ApiServer(create_app(served.service), "127.0.0.1", 0)
    server.stop()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", server.port))


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")]
)
def test_the_address_shown_works_on_this_machine(served: Served, host: str, shown: str) -> None:
    """An address that means every interface is shown as one that can be opened."""
    if ":" in host and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    server = ApiServer(create_app(served.service), host, 0)
    assert server.url == f"http://{shown}:{server.port}"
    server.stop()
