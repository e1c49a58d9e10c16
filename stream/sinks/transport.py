"""HTTP that only goes where it may: the address that is connected to is the address that was looked at."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpx

from stream.sinks.addresses import is_private

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host."""

_SNI: Final = "sni_hostname"
"""httpx's extension: the name to ask for, and to expect in the certificate, where the address is a number."""


class BlockedAddress(httpx.ConnectError):
    """The host is a private one."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Resolves names itself, for each request, so that a name that changes its address in between gains nothing."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve) -> None:
        super().__init__(trust_env=False)
        self._allow_private = allow_private
        self._resolve = resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises what httpx raises, and BlockedAddress."""
        named = request.url
        addresses = await self._addresses(named)
        for i, address in enumerate(addresses):
            request.url = named.copy_with(host=address)
            if named.scheme == "https":
                request.extensions = {**request.extensions, _SNI: named.host}
            try:
                return await super().handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if i == len(addresses) - 1:
                    raise
        raise httpx.ConnectError(f"{named.host} has no address")

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await self._resolve(url.host, port)
        except OSError as error:
            raise httpx.ConnectError(f"{url.host} cannot be found") from error
        if self._allow_private:
            return found
        public = [address for address in found if not is_private(address)]
        if found and not public:
            raise BlockedAddress(f"{url.host} is a private address")
        return public
