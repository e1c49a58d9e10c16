"""What a user configures: one YAML file, and `R2STREAM_*` environment variables that win over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from platformdirs import user_data_path

from stream.clips.protocols import check_address, local_path, protocol_of
from stream.errors import ConfigError
from stream.query import Query
from stream.redact import redact
from stream.reels.schedule import ReelSettings
from stream.section import Section, check_name, nearest
from stream.sinks.settings import SinkSettings, check_deliver, parse_sink
from stream.yaml_document import read_yaml

CONFIG_VARIABLE = "R2STREAM_CONFIG"

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "R2STREAM_MODEL": "model",
        "R2STREAM_DEVICE": "device",
        "R2STREAM_DATA_DIR": "data_dir",
        "R2STREAM_DATABASE": "database",
        "R2STREAM_HOST": "server.host",
        "R2STREAM_PORT": "server.port",
        "R2STREAM_TOKEN": "server.token",
    }
)
"""Each variable and the setting it replaces; `R2STREAM_CONFIG` names the file where none is given."""

# Kubernetes sets such variables in every container beside a service that is called r2stream or r2stream-something.
_SERVICE_LINK = re.compile(r"R2STREAM_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_LINK_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True)
class StreamSettings:
    """One stream to watch."""

    name: str
    url: str = field(repr=False)
    """Where it comes from: RTSP, RTMP, HTTP or HLS, a file, or `demo://broadcast`. May hold a password: show
    `shown_url` instead."""
    transport: Literal["tcp", "udp"] | None = None
    """How RTSP carries its media; None leaves it to the URL, and TCP by default."""
    pace: Literal["realtime", "fast"] = "realtime"
    """How fast a recording is played where the URL does not say: as if it were live, or as fast as it is watched."""
    enabled: bool = True

    @property
    def shown_url(self) -> str:
        """The URL without its secrets."""
        return redact(self.url)

    @property
    def source_address(self) -> str:
        """The URL with `transport` in its fragment, where sources read it; `pace` they take beside the address."""
        if self.transport is None:
            return self.url
        return f"{self.url}{'&' if '#' in self.url else '#'}transport={self.transport}"

    @staticmethod
    def parse(name: str, mapping: object) -> StreamSettings:
        """Read what a person wrote in YAML or JSON; a bare string is the URL. Raises ConfigError."""
        check_name(name, "streams")
        section = Section({"url": mapping} if isinstance(mapping, str) else mapping, f"streams.{name}")
        url = section.text("url").strip()
        if not url:
            raise ConfigError("must say where the stream comes from, such as rtsp://host/path", path=section.at("url"))
        transport = section.choice("transport", ("tcp", "udp"), "tcp") if section.has("transport") else None
        pace = section.choice("pace", ("realtime", "fast"), StreamSettings.pace)
        enabled = section.boolean("enabled", True)
        section.refuse_unknown()
        return StreamSettings(
            name=name,
            url=url,
            transport=cast(Literal["tcp", "udp"], transport) if transport else None,
            pace=cast(Literal["realtime", "fast"], pace),
            enabled=enabled,
        )

    def to_mapping(self) -> dict[str, object]:
        """The inverse of `parse`, complete, ready for JSON. Holds the URL with its secrets."""
        return {"url": self.url, "transport": self.transport, "pace": self.pace, "enabled": self.enabled}

    def patched(self, changes: Mapping[str, object]) -> StreamSettings:
        """This stream with some keys of its mapping replaced; null resets a key to its default. Raises ConfigError."""
        return StreamSettings.parse(self.name, {**self.to_mapping(), **changes})


@dataclass(frozen=True)
class ServerSettings:
    """Where the API listens."""

    host: str = "127.0.0.1"
    """Only this machine, unless said otherwise."""
    port: int = 8642
    token: str | None = field(default=None, repr=False)
    """What clients must send as `Authorization: Bearer …`; None lets everyone in."""


@dataclass(frozen=True)
class RetentionSettings:
    """How much of the event log is kept; the oldest goes first."""

    max_events: int = 200_000
    max_age_s: float | None = None
    """None keeps events of any age."""


@dataclass(frozen=True)
class ClipSettings:
    """Clips: where they are kept, how many, and how much video is held to cut them from."""

    folder: str | None = field(default=None, repr=False)
    """A folder, or an address that fsspec can write to, such as `s3://bucket/prefix`: it may hold a password. None:
    `clips` inside the data directory."""
    options: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What fsspec is told about the address, secrets included."""
    max_bytes: int = 10 << 30
    """The oldest clips go when all of them together are larger."""
    max_age_s: float = 7 * 24 * 3600.0
    memory_per_stream: int = 64 << 20
    """Bytes of encoded video that each stream keeps in memory; 0 keeps none, and no clips are cut."""
    disk_per_stream: int = 0
    """Bytes of older video that each stream keeps on the disk as well, while the service runs; 0 keeps none there."""

    @staticmethod
    def parse(section: Section) -> ClipSettings:
        """Read the section `clips`. Raises ConfigError."""
        folder = section.text("folder", "").strip()
        check_address(folder, section.at("folder"))
        settings = ClipSettings(
            folder=folder or None,
            options=_options(section, "options"),
            max_bytes=section.size_bytes("max_bytes", ClipSettings.max_bytes),
            max_age_s=section.duration_s("max_age", ClipSettings.max_age_s),
            memory_per_stream=section.size_bytes("memory_per_stream", ClipSettings.memory_per_stream),
            disk_per_stream=section.size_bytes("disk_per_stream", ClipSettings.disk_per_stream),
        )
        if settings.disk_per_stream and not settings.memory_per_stream:
            problem = "needs memory_per_stream above 0: video goes to the disk by way of memory"
            raise ConfigError(problem, path=section.at("disk_per_stream"))
        section.refuse_unknown()
        if settings.options and not settings.address:
            raise ConfigError("are for an address such as s3://…, and folder is none", path=section.at("options"))
        return settings

    @property
    def address(self) -> str | None:
        """Where clips are kept when that is not a folder of this machine."""
        return self.folder if self.folder and protocol_of(self.folder) else None


@dataclass(frozen=True)
class Settings:
    """Everything one service is told at its start."""

    data_dir: Path
    """Where events and what the API creates are kept."""
    model: str = "demo"
    """`demo`, the path of a model file, or `hf://owner/repo/file`."""
    device: str = "cpu"
    """Where the model runs, as PyTorch calls it: `cpu`, `cuda`, `cuda:1`."""
    database: str | None = field(default=None, repr=False)
    """The URL of a PostgreSQL database for all that; None is a SQLite file in `data_dir`. May hold a password."""
    retention: RetentionSettings = RetentionSettings()
    server: ServerSettings = ServerSettings()
    clips: ClipSettings = ClipSettings()
    streams: Mapping[str, StreamSettings] = field(default_factory=dict)
    queries: Mapping[str, Query] = field(default_factory=dict)
    sinks: Mapping[str, SinkSettings] = field(default_factory=dict)
    reels: Mapping[str, ReelSettings] = field(default_factory=dict)

    @property
    def clips_dir(self) -> Path:
        """Where clips are kept, or where they wait to be uploaded."""
        if self.clips.address:
            return self.data_dir / "clips-to-upload"
        return Path(local_path(self.clips.folder)).expanduser() if self.clips.folder else self.data_dir / "clips"

    @property
    def packets_dir(self) -> Path:
        """Where video is kept that memory has no room for."""
        return self.data_dir / "packets"


def load_settings(path: Path | str | None, environ: Mapping[str, str]) -> Settings:
    """Settings from a file, or from the one `R2STREAM_CONFIG` names, or all defaults; then the environment.

    Raises ConfigError that names the file or the variable, the key, and the nearest valid key.
    """
    overrides = _overrides(environ)
    path = path or environ.get(CONFIG_VARIABLE) or None
    if path is None:
        return parse_settings({}, overrides)
    file = Path(path).expanduser()
    document = read_yaml(file)
    try:
        return parse_settings({} if document is None else document, overrides)
    except ConfigError as error:
        raise error if error.path in overrides else error.in_file(str(file)) from None


def parse_settings(document: object, overrides: Mapping[str, str] | None = None) -> Settings:
    """Settings from plain data. `overrides` maps environment variables to their values. Raises ConfigError."""
    overrides = overrides or {}
    top = Section(document, "")
    server = top.section("server")
    settings = Settings(
        model=_text(top, "model", Settings.model, overrides),
        device=_text(top, "device", Settings.device, overrides),
        data_dir=Path(_text(top, "data_dir", str(user_data_path("r2stream", appauthor=False)), overrides)).expanduser(),
        database=_text(top, "database", "", overrides) or None,
        retention=_retention(top.section("retention")),
        server=ServerSettings(
            host=_text(server, "host", ServerSettings.host, overrides),
            port=_port(server, overrides),
            token=_text(server, "token", "", overrides) or None,
        ),
        clips=ClipSettings.parse(top.section("clips")),
        streams={name: StreamSettings.parse(name, value) for name, value in top.section("streams").entries()},
        queries={name: Query.parse(name, value) for name, value in top.section("queries").entries()},
        sinks={name: parse_sink(name, value) for name, value in top.section("sinks").entries()},
        reels={name: ReelSettings.parse(name, value) for name, value in top.section("reels").entries()},
    )
    server.refuse_unknown()
    top.refuse_unknown()
    for query in settings.queries.values():
        check_deliver(query, settings.sinks)
    return settings


def _retention(section: Section) -> RetentionSettings:
    max_events = section.integer("max_events", RetentionSettings.max_events)
    if max_events < 1:
        raise ConfigError(f"must be at least 1, not {max_events}", path=section.at("max_events"))
    max_age_s = section.duration_s("max_age", 0.0) if section.has("max_age") else None
    if max_age_s == 0:
        raise ConfigError("must be above 0; leave it out to keep events of any age", path=section.at("max_age"))
    section.refuse_unknown()
    return RetentionSettings(max_events, max_age_s)


def _options(section: Section, key: str) -> Mapping[str, object]:
    """Whatever somebody else's library understands."""
    value = section.raw(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ConfigError("must be a mapping of names to values", path=section.at(key))
    return dict(value)


def _overrides(environ: Mapping[str, str]) -> dict[str, str]:
    """Our variables that are set and not empty. Raises ConfigError for one that looks like ours and is not."""
    overrides: dict[str, str] = {}
    for name, value in environ.items():
        if not name.startswith("R2STREAM_") or _SERVICE_LINK.fullmatch(name) or _SERVICE_LINK_ADDRESS.match(value):
            continue
        if name in ENVIRONMENT and value.strip():
            overrides[name] = value.strip()
        elif name not in ENVIRONMENT and name != CONFIG_VARIABLE:
            hint = nearest(name, [*ENVIRONMENT, CONFIG_VARIABLE])
            raise ConfigError(f"unknown environment variable; {hint}", path=name, code="unknown_key")
    return overrides


def _variable(section: Section, key: str) -> str:
    """The environment variable that replaces a key."""
    return next(name for name, path in ENVIRONMENT.items() if path == section.at(key))


def _text(section: Section, key: str, default: str, overrides: Mapping[str, str]) -> str:
    written = section.text(key, default)
    value = overrides.get(_variable(section, key), written).strip()
    if not value and default:
        raise ConfigError("must not be empty", path=section.at(key))
    return value


def _port(section: Section, overrides: Mapping[str, str]) -> int:
    written = section.integer("port", ServerSettings.port)
    name = _variable(section, "port")
    text = overrides.get(name, str(written))
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        path = name if name in overrides else section.at("port")
        raise ConfigError(f"must be a port number from 0 (any free one) to 65535, not {text!r}", path=path)
    return int(text)
