"""What a user says about a sink. Light to import: the parts that talk to the world are loaded by whoever runs them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from stream.errors import ConfigError
from stream.query import Query
from stream.section import Section, check_name, nearest
from stream.sinks.addresses import is_private_host

SECRET_PREFIX: Final = "whsec_"
MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64
SECRET: Final = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9+/]{{32,86}}={{0,2}}")
"""What a secret of so many bytes looks like."""
MIN_TIMEOUT_S: Final = 0.1
MAX_TIMEOUT_S: Final = 60.0

TOPIC: Final = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
MAX_TOPIC_LENGTH: Final = 128
"""Characters of a prefix; what follows it is ours."""

RESERVED: Final = ("ws", "sse")
"""Names that metrics use for the API's own clients."""


@dataclass(frozen=True)
class WebhookSettings:
    """Events as HTTP requests to somebody's server."""

    name: str
    url: str = field(repr=False)
    """May hold secrets, in its path too: never shown."""
    secret: str | None = field(default=None, repr=False)
    """`whsec_…`: requests are signed with it."""
    allow_private: bool = False
    """Whether it may be this machine or one of the local network."""
    timeout_s: float = 10.0
    """For one request, from the connection to the answer."""
    max_tries: int = 12
    """After so many the event goes to the dead letters."""
    enabled: bool = True

    type: Literal["webhook"] = "webhook"


@dataclass(frozen=True)
class MqttSettings:
    """Events, and what is going on, to an MQTT broker."""

    name: str
    url: str
    """`mqtt://host:port`, or `mqtts://…` for TLS; holds no secret."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    """Whom to trust with TLS, instead of the usual authorities."""
    prefix: str = "r2stream"
    """What every topic begins with."""
    discovery: bool = True
    """Whether to announce queries to Home Assistant."""
    discovery_prefix: str = "homeassistant"
    timeout_s: float = 10.0
    """For the broker's answer to each message."""
    enabled: bool = True

    type: Literal["mqtt"] = "mqtt"

    @property
    def tls(self) -> bool:
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or (8883 if self.tls else 1883)


SinkSettings = WebhookSettings | MqttSettings


def parse_sink(name: str, mapping: object) -> SinkSettings:
    """Read what a person wrote in YAML. Raises ConfigError."""
    check_name(name, "sinks")
    section = Section(mapping, f"sinks.{name}")
    if name in RESERVED:
        raise ConfigError(f"the name '{name}' is taken by the API; choose another one", path=section.path)
    if not section.has("type"):
        problem = f"the key 'type' is required: one of {', '.join(_PARSERS)}"
        raise ConfigError(problem, path=section.path, code="missing_key")
    settings = _PARSERS[section.choice("type", tuple(_PARSERS), "")](name, section)
    section.refuse_unknown()
    return settings


def check_deliver(query: Query, sinks: Collection[str]) -> None:
    """Raises ConfigError when a query names a sink that is not there."""
    for name in query.deliver or ():
        if name not in sinks:
            hint = nearest(name, list(sinks)) if sinks else "there are none; add it to the settings file"
            raise ConfigError(f"there is no sink '{name}'; {hint}", path=f"queries.{query.name}.deliver")


def _parse_webhook(name: str, section: Section) -> WebhookSettings:
    allow_private = section.boolean("allow_private", WebhookSettings.allow_private)
    url = section.text("url").strip()
    address = _address(section, url, ("https", "http"), "https://example.com/hook")
    if is_private_host(address.hostname or "") and not allow_private:
        problem = "is on this machine or in its local network; set allow_private: true if that is meant"
        raise ConfigError(problem, path=section.at("url"))
    return WebhookSettings(
        name=name,
        url=url,
        secret=_secret(section),
        allow_private=allow_private,
        timeout_s=_timeout_s(section, WebhookSettings.timeout_s),
        max_tries=_at_least_one(section, "max_tries", WebhookSettings.max_tries),
        enabled=section.boolean("enabled", True),
    )


def _parse_mqtt(name: str, section: Section) -> MqttSettings:
    url = section.text("url").strip()
    address = _address(section, url, ("mqtts", "mqtt"), "mqtt://broker.local:1883")
    if "@" in address.netloc or address.path.strip("/") or address.query or address.fragment:
        problem = "must be mqtt:// or mqtts://, host and port; username and password are keys of their own"
        raise ConfigError(problem, path=section.at("url"))
    username, password = section.text("username", "") or None, section.text("password", "") or None
    if password is not None and username is None:
        raise ConfigError("needs a username beside it", path=section.at("password"))
    ca_file = section.text("ca_file", "") or None
    if ca_file is not None and address.scheme != "mqtts":
        raise ConfigError("is for TLS: the url must begin with mqtts://", path=section.at("ca_file"))
    return MqttSettings(
        name=name,
        url=url,
        username=username,
        password=password,
        ca_file=ca_file,
        prefix=_topic(section, "prefix", MqttSettings.prefix),
        discovery=section.boolean("discovery", MqttSettings.discovery),
        discovery_prefix=_topic(section, "discovery_prefix", MqttSettings.discovery_prefix),
        timeout_s=_timeout_s(section, MqttSettings.timeout_s),
        enabled=section.boolean("enabled", True),
    )


_PARSERS: Final[Mapping[str, Callable[[str, Section], SinkSettings]]] = MappingProxyType(
    {"webhook": _parse_webhook, "mqtt": _parse_mqtt}
)


def _address(section: Section, url: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    """The parts of an address, which is not repeated in errors: it may hold secrets."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"must be an address such as {example}", path=section.at("url"))
    return parts


def _secret(section: Section) -> str | None:
    if not section.has("secret"):
        return None
    secret = section.text("secret").strip()
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not SECRET.fullmatch(secret) or not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        problem = f"must be '{SECRET_PREFIX}' and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} random bytes in base64"
        raise ConfigError(problem, path=section.at("secret"))
    return secret


def _topic(section: Section, key: str, default: str) -> str:
    topic = section.text(key, default)
    if not TOPIC.fullmatch(topic) or len(topic) > MAX_TOPIC_LENGTH:
        problem = "must be the beginning of a topic: levels of letters, digits, '_', '-' and '.', joined by '/'"
        raise ConfigError(problem, path=section.at(key))
    return topic


def _timeout_s(section: Section, default: float) -> float:
    timeout_s = section.duration_s("timeout", default)
    if not MIN_TIMEOUT_S <= timeout_s <= MAX_TIMEOUT_S:
        raise ConfigError("must be between 100ms and 60s", path=section.at("timeout"))
    return timeout_s


def _at_least_one(section: Section, key: str, default: int) -> int:
    number = section.integer(key, default)
    if number < 1:
        raise ConfigError(f"must be at least 1, not {number}", path=section.at(key))
    return number
