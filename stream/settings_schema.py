"""The settings file as a JSON Schema, for editors. A test holds it against the readers of the settings, key by key.

What concerns several keys at once (`exit` is at most `enter`) it cannot say: `r2stream config check` does.
"""

from __future__ import annotations

from typing import Any, Final

from stream.durations import DURATION
from stream.query import EXIT_RATIO, MAX_TEXT_LENGTH, Query
from stream.section import NAME
from stream.settings import RetentionSettings, ServerSettings, Settings, StreamSettings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_NAME: Final[Schema] = {"type": "string", "pattern": f"^{NAME.pattern}$"}
_SOMETHING: Final = r"\S"


def settings_schema() -> Schema:
    """The schema of a whole settings file; every key but `url` and `text` may be null, which means its default."""
    return {
        "$schema": DIALECT,
        "title": "r2stream settings",
        **_mapping(
            "",
            {
                "model": _text(
                    "The network: demo, a .pth or .safetensors file, or hf://owner/repo/file.", Settings.model
                ),
                "device": _text("Where the model runs, as PyTorch calls it: cpu, cuda, cuda:1.", Settings.device),
                "data_dir": _text("The event log, and what the API adds. One service at a time may use it."),
                "database": {
                    "description": "A PostgreSQL database in place of the SQLite file in data_dir: postgresql://…",
                    "type": ["string", "null"],
                    "default": None,
                },
                "retention": {**_retention(), "type": ["object", "null"]},
                "server": {**_server(), "type": ["object", "null"]},
                "streams": _by_name("What is watched, by a name of your choice.", "stream"),
                "queries": _by_name("The standing sentences, by a name of your choice.", "query"),
            },
        ),
        "$defs": {
            "stream": _short_or_full("Where a stream comes from, in short its address.", "url", _stream()),
            "query": _short_or_full("What is watched for, in short its sentence.", "text", _query()),
        },
    }


def _retention() -> Schema:
    keys = {
        "max_events": {
            "description": "About so many events are kept.",
            "type": ["integer", "null"],
            "minimum": 1,
            "default": RetentionSettings.max_events,
        },
        "max_age": _duration("Older events are removed; left out, none for their age.", None, above_zero=True),
    }
    return _mapping("How much of the event log is kept; the oldest goes first.", keys)


def _server() -> Schema:
    return _mapping(
        "Where the API listens.",
        {
            "host": _text("The address; 0.0.0.0 lets other machines in: set a token then.", ServerSettings.host),
            "port": {
                "description": "The port; 0 takes any free one.",
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": 65535,
                "default": ServerSettings.port,
            },
            "token": {
                "description": "Clients must send it as Authorization: Bearer …; without it, all may do all.",
                "type": ["string", "null"],
                "default": ServerSettings.token,
            },
        },
    )


def _stream() -> Schema:
    keys = {
        "url": {"description": "RTSP, RTMP, HTTP or HLS, a file, or demo://broadcast.", **_required_text()},
        "transport": _choice("How RTSP carries its media; tcp by default.", ("tcp", "udp"), None),
        "pace": _choice("How fast a recording is played.", ("realtime", "fast"), StreamSettings.pace),
        "enabled": _switch("false keeps the definition and watches nothing.", StreamSettings.enabled),
    }
    return {**_mapping("", keys), "required": ["url"]}


def _query() -> Schema:
    threshold = {
        "enter": _score("A moment opens at this score.", Query.enter),
        "exit": _score(f"It goes on while the score is at least this; {EXIT_RATIO:g} of enter by default.", None),
    }
    keys = {
        "text": {
            "description": "What to watch for, in the words that the model knows.",
            **_required_text(),
            "maxLength": MAX_TEXT_LENGTH,
        },
        "streams": {
            "description": "Where to watch; left out, on every stream.",
            "anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1}, {"type": "null"}],
        },
        "threshold": {**_mapping("Two scores.", threshold), "type": ["object", "null"]},
        "min_duration": _duration("Shorter moments are not reported, or are withdrawn.", Query.min_duration_s),
        "max_duration": _duration("A longer moment ends here.", Query.max_duration_s, above_zero=True),
        "merge_gap": _duration("Spans this close belong to one moment.", Query.merge_gap_s),
        "cooldown": _duration("A moment that starts this soon after the last one is not reported.", Query.cooldown_s),
        "settle": _duration("How long an end must lie in the past before it becomes final.", Query.settle_s),
        "confirm_frames": {
            "description": "In how many looks in a row a moment must be seen before it is reported.",
            "type": ["integer", "null"],
            "minimum": 1,
            "default": Query.confirm_frames,
        },
        "enabled": _switch("false keeps the definition and looks for nothing.", Query.enabled),
        "deliver": {
            "description": "The sinks that get its events; left out, every sink.",
            "anyOf": [_NAME, {"type": "array", "items": _NAME}, {"type": "null"}],
        },
    }
    return {**_mapping("", keys), "required": ["text"]}


def _mapping(description: str, keys: Schema) -> Schema:
    about = {"description": description} if description else {}
    return {**about, "type": "object", "additionalProperties": False, "properties": keys}


def _by_name(description: str, kind: str) -> Schema:
    return {
        "description": description,
        "type": ["object", "null"],
        "propertyNames": _NAME,
        "additionalProperties": {"$ref": f"#/$defs/{kind}"},
    }


def _short_or_full(description: str, key: str, full: Schema) -> Schema:
    return {"description": description, "anyOf": [full["properties"][key], full]}


def _required_text() -> Schema:
    return {"type": "string", "pattern": _SOMETHING}


def _text(description: str, default: str | None = None) -> Schema:
    about: Schema = {"description": description, "type": ["string", "null"], "pattern": _SOMETHING}
    return about if default is None else {**about, "default": default}


def _choice(description: str, choices: tuple[str, ...], default: str | None) -> Schema:
    return {"description": description, "enum": [*choices, None], "default": default}


def _switch(description: str, default: bool) -> Schema:
    return {"description": description, "type": ["boolean", "null"], "default": default}


def _score(description: str, default: float | None) -> Schema:
    about: Schema = {"description": description, "type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1}
    return {**about, "default": default}


def _duration(description: str, default_s: float | None, *, above_zero: bool = False) -> Schema:
    bound = {"exclusiveMinimum": 0} if above_zero else {"minimum": 0}
    shapes: list[Schema] = [
        {"type": "number", **bound},
        {"type": "string", "pattern": f"^{DURATION.pattern}$"},
        {"type": "null"},
    ]
    return {"description": f"{description} Such as 500ms, 5s, 2m, or seconds.", "anyOf": shapes, "default": default_s}
