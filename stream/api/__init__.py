"""The outward face: REST, websocket and metrics of one service."""

from stream.api.app import create_app
from stream.api.context import ApiOptions
from stream.api.protocol import QueryStatus, Readiness, ServiceProtocol, StreamStatus
from stream.api.server import ApiServer

__all__ = ["ApiOptions", "ApiServer", "QueryStatus", "Readiness", "ServiceProtocol", "StreamStatus", "create_app"]
