"""How a route reaches what it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import HTTPConnection

from stream.api.protocol import ServiceProtocol

KIB: Final = 1024


@dataclass(frozen=True)
class ApiOptions:
    """What the API can be told."""

    token: str | None = None
    """Clients must send it as `Authorization: Bearer …`; None lets everyone in."""
    max_body_bytes: int = 64 * KIB
    slow_client_s: float = 10.0
    """A client of the event stream that takes nothing for this long is closed; it can come back with its cursor."""
    heartbeat_s: float = 15.0
    """A client of server-sent events hears something at least this often."""
    subscribe_s: float = 30.0
    """A websocket client has this long to say what it wants."""


def _service(connection: HTTPConnection) -> ServiceProtocol:
    service: ServiceProtocol = connection.app.state.service
    return service


ServiceDep = Annotated[ServiceProtocol, Depends(_service)]
