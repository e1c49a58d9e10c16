"""What a stream's address means: which kind of source it is and with which options it is opened."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from stream.errors import ConfigError
from stream.redact import redact

Kind = Literal["rtsp", "rtmp", "rtmp-listen", "http", "packets", "file", "demo"]
Pace = Literal["realtime", "fast"]
Transport = Literal["tcp", "udp"]

_KINDS: Mapping[str, Kind] = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "rtmp",
    "rtmps": "rtmp",
    "rtmp-listen": "rtmp-listen",
    "http": "http",
    "https": "http",
    "udp": "packets",
    "rtp": "packets",
    "tcp": "packets",
    "file": "file",
    "demo": "demo",
}
_OPTIONS: Mapping[Kind, tuple[str, ...]] = {
    "rtsp": ("transport",),
    "http": ("pace",),
    "file": ("pace",),
    "demo": ("seed", "speed", "start"),
}


class SourceAddressError(ConfigError):
    """An address that cannot be a source; the message says what to write instead and holds no password."""


@dataclass(frozen=True)
class SourceSpec:
    """One stream's address, understood.

    Options of ours stand behind a `#` (`rtsp://cam/1#transport=udp`), which is never sent to a server; files and
    the demo also take them behind a `?` (`match.mp4?pace=fast`, `demo://broadcast?seed=7`).
    """

    kind: Kind
    address: str
    """What is opened: the address without our own options. May hold a password: never show it, show `shown`."""
    shown: str
    """The address as a person may see it: passwords and tokens hidden."""
    pace: Pace = "realtime"
    """How fast a recording is played: `realtime` as if it were live, `fast` as quickly as pictures are taken."""
    transport: Transport = "tcp"
    """How RTSP carries its media. TCP loses nothing; UDP is for cameras that offer nothing else."""
    seed: int = 0
    """Which synthetic programme `demo://broadcast` shows."""
    speed: float = 1.0
    """How many programme seconds the demo plays in one real second."""
    start: float = 0.0
    """The programme second at which the demo begins."""

    @classmethod
    def parse(cls, url: str, *, pace: Pace = "realtime") -> SourceSpec:
        """Understands `url`: an address with a scheme, or a file's path. `pace` holds where the address names none.

        Raises:
            SourceAddressError: for a scheme, an option or a value that no source has.
        """
        scheme, separator, _ = url.partition(":")
        if not separator or "/" in scheme or len(scheme) < 2 or os.path.exists(url):
            return _parse_file(url, pace)
        kind = _KINDS.get(scheme.lower())
        if kind is None:
            raise SourceAddressError(
                f"{redact(url)!r}: sources do not speak {scheme!r}. Use one of {', '.join(_KINDS)}, or a file's path."
            )
        if kind == "file":
            return _parse_file(_path_of_file_url(url), pace)
        return _parse_network(url, kind, pace)

    @property
    def host(self) -> str:
        """The other side as `host:port`, for messages."""
        return urlsplit(self.address).netloc.rpartition("@")[2]

    @property
    def path(self) -> str:
        """What is asked for at the other side, for messages."""
        return urlsplit(self.shown).path or "/"


def _parse_network(url: str, kind: Kind, pace: Pace) -> SourceSpec:
    address, _, fragment = url.partition("#")
    if "@" in fragment:
        raise SourceAddressError(f"{redact(url)!r}: write '#' as %23 where it is part of a password.")
    if kind == "demo":
        address, _, query = address.partition("?")
        fragment = "&".join(filter(None, (query, fragment)))
    if not _has_valid_port(address):
        raise SourceAddressError(
            f"{redact(url)!r}: what stands where the port belongs is no port. Write scheme://host:port/path, and"
            " '/' as %2F where it is part of a password."
        )
    parts = urlsplit(address)
    complete = bool(parts.hostname) and (kind != "rtmp-listen" or parts.port is not None)
    if not complete:
        raise SourceAddressError(f"{redact(url)!r}: the host (and for rtmp-listen the port) is missing.")
    if kind == "demo" and parts.hostname != "broadcast":
        raise SourceAddressError(f"{redact(url)!r}: the only demo is demo://broadcast.")
    if kind == "rtmp-listen":
        address = "rtmp" + address[len("rtmp-listen") :]
    spec = SourceSpec(kind=kind, address=address, shown=redact(url.partition("#")[0]), pace=pace)
    return _with_options(spec, fragment)


def _has_valid_port(address: str) -> bool:
    try:
        return urlsplit(address).port != 0
    except ValueError:  # Its text repeats the "port", which may be a part of a password.
        return False


def _parse_file(url: str, pace: Pace) -> SourceSpec:
    path, options = url, ""
    if not os.path.exists(os.path.expanduser(url)) and "?" in url:
        path, _, options = url.rpartition("?")
    if not path:
        raise SourceAddressError(
            "An empty address is no source. Give the path of a file, or an address such as rtsp://…"
        )
    return _with_options(SourceSpec(kind="file", address=os.path.expanduser(path), shown=path, pace=pace), options)


def _path_of_file_url(url: str) -> str:
    rest = url.split(":", 1)[1]
    path, question_mark, options = rest.partition("?")
    if path.startswith("//"):
        host, _, path = path[2:].partition("/")
        if host not in ("", "localhost"):
            raise SourceAddressError(f"{url!r}: a file's address has three slashes: file:///{host}/{path}")
        path = f"/{path}"
    return unquote(path) + question_mark + options


def _with_options(spec: SourceSpec, options: str) -> SourceSpec:
    allowed = _OPTIONS.get(spec.kind, ())
    for key, value in parse_qsl(options, keep_blank_values=True):
        if key not in allowed:
            raise SourceAddressError(_unknown_option(spec, key, allowed))
        spec = _with_option(spec, key, value)
    return spec


def _unknown_option(spec: SourceSpec, key: str, allowed: tuple[str, ...]) -> str:
    if not allowed:
        return f"{spec.shown!r}: {spec.kind} sources have no options, so {key!r} means nothing here."
    nearest = difflib.get_close_matches(key, allowed, n=1, cutoff=0.0)[0]
    return f"{spec.shown!r}: {spec.kind} sources have no option {key!r}. Did you mean {nearest!r}?"


def _with_option(spec: SourceSpec, key: str, value: str) -> SourceSpec:
    complaint = SourceAddressError(f"{spec.shown!r}: {key}={value} is not possible; {_HELP[key]}.")
    match key, value:
        case "pace", "realtime" | "fast":
            return replace(spec, pace=value)
        case "transport", "tcp" | "udp":
            return replace(spec, transport=value)
        case (("seed" | "speed" | "start"), _):
            return _with_number(spec, key, value, complaint)
    raise complaint


MAX_START_S: Final = 86_400.0
"""A programme is told from its beginning: to begin after years would take for ever."""


def _with_number(spec: SourceSpec, key: str, value: str, complaint: SourceAddressError) -> SourceSpec:
    try:
        if key == "seed":
            if not 0 <= int(value) < 2**63:
                raise complaint
            return replace(spec, seed=int(value))
        number = float(value)
    except ValueError:
        raise complaint from None
    if key == "speed" and 0 < number <= 1000:
        return replace(spec, speed=number)
    if key == "start" and 0 <= number <= MAX_START_S:
        return replace(spec, start=number)
    raise complaint


_HELP: Mapping[str, str] = {
    "pace": "write pace=realtime or pace=fast",
    "transport": "write transport=tcp or transport=udp",
    "seed": "write a whole number, 0 or more",
    "speed": "write a number above 0 and up to 1000",
    "start": "write a number of seconds from 0 to 86400",
}
