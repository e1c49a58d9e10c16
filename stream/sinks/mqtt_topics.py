"""What is said under which topic of a broker, Home Assistant's discovery included. Plain text, no connection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from stream.query import Query

ONLINE: Final = "online"
OFFLINE: Final = "offline"
ON: Final = "ON"
OFF: Final = "OFF"


@dataclass(frozen=True)
class Topics:
    """The topics below one prefix."""

    prefix: str
    discovery_prefix: str

    @property
    def available(self) -> str:
        """Retained: whether the service is there."""
        return f"{self.prefix}/available"

    @property
    def events(self) -> str:
        """Every event."""
        return f"{self.prefix}/events"

    def status(self, stream: str) -> str:
        """Retained: the state of a stream."""
        return f"{self.prefix}/{stream}/status"

    def state(self, stream: str, query: str) -> str:
        """Retained: whether a moment is going on."""
        return f"{self.prefix}/{stream}/{query}/state"

    def config(self, stream: str, query: str) -> str:
        """Retained: from which Home Assistant learns of a state."""
        return f"{self.discovery_prefix}/binary_sensor/{self._node}/{_object_id(stream, query)}/config"

    @property
    def retained(self) -> tuple[str, ...]:
        """Filters for all that is retained and may outlive what it is about."""
        config = f"{self.discovery_prefix}/binary_sensor/{self._node}/+/config"
        return f"{self.prefix}/+/status", f"{self.prefix}/+/+/state", config

    def discovery(self, stream: str, query: Query) -> str:
        """What Home Assistant is told about one query on one stream, as JSON."""
        release = version("r2stream")
        return json.dumps(
            {
                "name": query.text,
                "unique_id": f"{self._node}-{_object_id(stream, query.name)}",
                "state_topic": self.state(stream, query.name),
                "payload_on": ON,
                "payload_off": OFF,
                "availability_topic": self.available,
                "payload_available": ONLINE,
                "payload_not_available": OFFLINE,
                "qos": 1,
                "device": {
                    "identifiers": [f"{self._node}-{stream}"],
                    "name": f"r2stream {stream}",
                    "manufacturer": "r2stream",
                    "sw_version": release,
                },
                "origin": {"name": "r2stream", "sw_version": release},
            },
            ensure_ascii=False,
        )

    @property
    def _node(self) -> str:
        return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in self.prefix)


def _object_id(stream: str, query: str) -> str:
    # Names have no capitals: what stands between them makes the whole unambiguous.
    return f"{stream}-Q-{query}"
