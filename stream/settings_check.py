"""Everything that is wrong with a settings file at once, each with its line, without starting anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream.clips.protocols import check_installed
from stream.errors import ConfigError
from stream.query import Query
from stream.settings import ServerSettings, Settings, load_settings, parse_settings
from stream.sinks.settings import check_deliver
from stream.sources import SourceSpec
from stream.yaml_document import key_lines, line_of, read_yaml

_ONLY_HERE: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Remark:
    """One thing that is wrong, or odd; `line` is None where nothing written is to blame."""

    path: str
    line: int | None
    problem: str

    def __str__(self) -> str:
        line = None if self.line is None else f"line {self.line}"
        return ": ".join(part for part in (line, self.path, self.problem) if part)


@dataclass(frozen=True)
class Checked:
    """What a file is worth: its settings where it can be used, else None, and why."""

    settings: Settings | None
    mistakes: tuple[Remark, ...]
    """It cannot be used."""
    warnings: tuple[Remark, ...] = ()
    """It can, and may not be what was meant."""


def check_settings(file: Path, environ: Mapping[str, str]) -> Checked:
    """Read a settings file as `r2stream serve` does, but go on after a mistake."""
    try:
        document = read_yaml(file)
    except ConfigError as error:
        return Checked(None, (Remark(error.path, None, error.problem),))
    lines = key_lines(file.read_text(encoding="utf-8-sig"))
    mistakes = [_remark(error, lines) for error in _document_mistakes({} if document is None else document)]
    try:
        settings = load_settings(file, environ)
        mistakes += [_remark(error, lines) for error in _address_mistakes(settings)]
    except ConfigError as error:
        mistake = _remark(error, lines)
        # Whatever is left is the environment's.
        return Checked(None, tuple(mistakes) if mistake in mistakes else (*mistakes, mistake))
    warnings = tuple(_remark(warning, lines) for warning in _warnings(settings))
    return Checked(None if mistakes else settings, tuple(mistakes), warnings)


def locate(error: ConfigError, file: Path) -> str:
    """What is wrong with a file, with the line where that is known; for logs."""
    try:
        lines = key_lines(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        lines = {}
    return str(_remark(error, lines))


def _remark(error: ConfigError, lines: Mapping[str, int]) -> Remark:
    return Remark(error.path, line_of(error.path, lines), error.problem)


def _document_mistakes(document: object) -> Iterator[ConfigError]:
    """The first mistake of the top, and of each stream, query and sink."""
    if not isinstance(document, Mapping):
        yield from _mistake(document)
        return
    yield from _mistake({**document, "streams": None, "queries": None, "sinks": None, "reels": None})
    sinks = document.get("sinks")
    for kind in ("streams", "queries", "sinks", "reels"):
        entries = document.get(kind)
        if not isinstance(entries, Mapping):
            yield from _mistake({kind: entries})
            continue
        for name, value in entries.items():
            if kind == "queries":
                yield from _query_mistake(name, value, sinks if isinstance(sinks, Mapping) else {})
            else:
                yield from _mistake({kind: {name: value}})


def _mistake(document: object) -> Iterator[ConfigError]:
    try:
        parse_settings(document)
    except ConfigError as error:
        yield error


def _query_mistake(name: str, written: object, sinks: Collection[str]) -> Iterator[ConfigError]:
    """Its sinks have to be there; whether they can be used is another matter."""
    try:
        check_deliver(Query.parse(name, written), sinks)
    except ConfigError as error:
        yield error


def _address_mistakes(settings: Settings) -> Iterator[ConfigError]:
    for stream in settings.streams.values():
        try:
            SourceSpec.parse(stream.source_address, pace=stream.pace)
        except ConfigError as error:
            yield ConfigError(error.problem, path=f"streams.{stream.name}.url", code=error.code)
    if settings.clips.address:
        try:
            check_installed(settings.clips.address, "clips.folder")
        except ConfigError as error:
            yield error


def _warnings(settings: Settings) -> Iterator[ConfigError]:
    if not settings.streams:
        yield ConfigError("no stream is defined; nothing is watched until one is added over the API", path="streams")
    for stream in settings.streams.values():
        path = f"streams.{stream.name}.url"
        try:
            spec = SourceSpec.parse(stream.source_address, pace=stream.pace)
        except ConfigError:
            continue
        if spec.kind == "file" and not Path(spec.address).exists():
            yield ConfigError(f"there is no file {spec.shown!r} now", path=path)
    for query in settings.queries.values():
        for name in query.streams:
            if name not in settings.streams:
                problem = f"there is no stream {name!r} in this file; the query waits until one is added over the API"
                yield ConfigError(problem, path=f"queries.{query.name}.streams")
    if settings.server.token is None and not is_private(settings.server):
        problem = f"everybody who can reach {settings.server.host} may change everything: set server.token"
        yield ConfigError(problem, path="server.host")


def is_private(server: ServerSettings) -> bool:
    """Whether only this machine can reach it."""
    return server.host in _ONLY_HERE
