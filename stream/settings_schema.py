"""The settings file as a JSON Schema, for editors. A test holds it against the readers of the settings, key by key.

What concerns several keys at once (`exit` is at most `enter`) it cannot say: `r2stream config check` does.
"""

from __future__ import annotations

from typing import Any, Final

from stream.durations import DURATION
from stream.query import EXIT_RATIO, MAX_ROLL_S, MAX_TEXT_LENGTH, Query, Rolls
from stream.reels.schedule import MAX_BEST, MAX_NAME_LENGTH, TIME_OF_DAY, ReelSettings
from stream.section import NAME
from stream.settings import ClipSettings, RetentionSettings, ServerSettings, Settings, StreamSettings
from stream.sinks.settings import (
    MAX_TIMEOUT_S,
    MAX_TOPIC_LENGTH,
    MIN_TIMEOUT_S,
    RESERVED,
    SECRET,
    TOPIC,
    MqttSettings,
    WebhookSettings,
)
from stream.sizes import SIZE

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_NAME: Final[Schema] = {"type": "string", "pattern": f"^{NAME.pattern}$"}
_SOMETHING: Final = r"\S"


def settings_schema() -> Schema:
    """The schema of a whole settings file; every key that is not required may be null, which means its default."""
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
                "data_dir": _text("The event log, what the API adds, and clips. One service at a time may use it."),
                "database": {
                    "description": "A PostgreSQL database in place of the SQLite file in data_dir: postgresql://…",
                    "type": ["string", "null"],
                    "default": None,
                },
                "retention": {**_retention(), "type": ["object", "null"]},
                "server": {**_server(), "type": ["object", "null"]},
                "clips": {**_clips(), "type": ["object", "null"]},
                "streams": _by_name("What is watched, by a name of your choice.", "stream"),
                "queries": _by_name("The standing sentences, by a name of your choice.", "query"),
                "sinks": {
                    **_by_name("Ways out for events besides the API, by a name of your choice.", "sink"),
                    "propertyNames": {**_NAME, "not": {"enum": list(RESERVED)}},
                },
                "reels": {
                    **_by_name("Reels that are made every day, by a name of your choice.", "reel"),
                    "propertyNames": {**_NAME, "maxLength": MAX_NAME_LENGTH},
                },
            },
        ),
        "$defs": {
            "stream": _short_or_full("Where a stream comes from, in short its address.", "url", _stream()),
            "query": _short_or_full("What is watched for, in short its sentence.", "text", _query()),
            "sink": {"description": "Where events go, by its type.", "anyOf": [_webhook(), _mqtt()]},
            "reel": _reel(),
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


def _clips() -> Schema:
    keys = {
        "folder": _any_text("A folder, or s3://bucket/prefix, gcs://…, sftp://…; `clips` in data_dir by default."),
        "options": {
            "description": "For an address: what fsspec is told, credentials included, beside the environment.",
            "type": ["object", "null"],
            "default": None,
        },
        "max_bytes": _size("The oldest go when all of them together are larger.", ClipSettings.max_bytes),
        "max_age": _duration("Older ones go.", ClipSettings.max_age_s),
        "memory_per_stream": _size(
            "Encoded video that each stream holds in memory, to cut clips from; 0 cuts none.",
            ClipSettings.memory_per_stream,
        ),
        "disk_per_stream": _size(
            "Older video that each stream holds on the disk as well, in data_dir; 0 holds none there.",
            ClipSettings.disk_per_stream,
        ),
    }
    return _mapping("Each moment becomes a video file.", keys)


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
    rolls = {
        "pre_roll": _duration("Before it starts.", Rolls.pre_roll_s, maximum=MAX_ROLL_S),
        "post_roll": _duration("After it ends; the clip comes so much later.", Rolls.post_roll_s, maximum=MAX_ROLL_S),
    }
    keys = {
        "text": {
            "description": "What to watch for, in the words that the model knows.",
            **_required_text(),
            "maxLength": MAX_TEXT_LENGTH,
        },
        "streams": _names("Where to watch; left out, on every stream."),
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
        "clip": {
            "description": "The clip that is cut for each moment; false cuts none.",
            "anyOf": [{"type": "boolean"}, _mapping("How much it shows around the moment.", rolls), {"type": "null"}],
            "default": True,
        },
        "enabled": _switch("false keeps the definition and looks for nothing.", Query.enabled),
        "deliver": {
            "description": "The sinks that get its events; left out, every sink.",
            "anyOf": [_NAME, {"type": "array", "items": _NAME}, {"type": "null"}],
        },
    }
    return {**_mapping("", keys), "required": ["text"]}


def _webhook() -> Schema:
    keys = {
        "type": {"const": "webhook"},
        "url": _address("Where events are sent, https://… or http://….", "[Hh][Tt][Tt][Pp][Ss]?"),
        "secret": {
            "description": "whsec_ and 24 to 64 random bytes in base64, with which requests are signed.",
            "type": ["string", "null"],
            "pattern": rf"^\s*{SECRET.pattern}\s*$",
            "default": None,
        },
        "allow_private": _switch(
            "Whether url may be on this machine or in its local network.", WebhookSettings.allow_private
        ),
        "timeout": _timeout("For one request.", WebhookSettings.timeout_s),
        "max_tries": {
            "description": "After so many an event goes to the dead letters.",
            "type": ["integer", "null"],
            "minimum": 1,
            "default": WebhookSettings.max_tries,
        },
        "enabled": _switch("false keeps its place and delivers nothing.", WebhookSettings.enabled),
    }
    return {**_mapping("Events as HTTP requests.", keys), "required": ["type", "url"]}


def _mqtt() -> Schema:
    keys = {
        "type": {"const": "mqtt"},
        "url": _address("The broker: mqtt://host:1883, or mqtts://host:8883 for TLS.", "[Mm][Qq][Tt][Tt][Ss]?"),
        "username": _any_text("As whom to connect."),
        "password": _any_text("Needs a username."),
        "ca_file": _any_text("The certificates to trust with TLS, as a PEM file; the usual authorities by default."),
        "prefix": _topic("What every topic begins with: one for each service on a broker.", MqttSettings.prefix),
        "discovery": _switch("Whether queries are announced to Home Assistant.", MqttSettings.discovery),
        "discovery_prefix": _topic("Where Home Assistant listens for that.", MqttSettings.discovery_prefix),
        "timeout": _timeout("For the broker's answer to each message.", MqttSettings.timeout_s),
        "enabled": _switch("false keeps its place and delivers nothing.", MqttSettings.enabled),
    }
    return {**_mapping("Events, and what is going on, to an MQTT broker.", keys), "required": ["type", "url"]}


def _reel() -> Schema:
    keys = {
        "at": {
            "description": "Local time at which the day of the reel ends, and it is made.",
            "type": ["string", "null"],
            "pattern": f"^{TIME_OF_DAY.pattern}$",
            "default": ReelSettings.at,
        },
        "timezone": _text("Where it is that time, such as Europe/Berlin or +02:00.", ReelSettings.timezone),
        "streams": _names("Whose moments it shows; left out, those of every stream."),
        "queries": _names("Of which sentences; left out, of every one."),
        "min_score": {
            "description": "Moments with at least this score.",
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": 1,
            "default": ReelSettings.min_score,
        },
        "best": {
            "description": "So many at most, those with the highest scores.",
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": MAX_BEST,
            "default": ReelSettings.best,
        },
        "max_length": _duration("How long it may be; left out, any length.", None, above_zero=True),
        "order": _choice("What comes first: the earliest or the best.", ("time", "score"), ReelSettings.order),
        "enabled": _switch("false makes none.", ReelSettings.enabled),
    }
    return _mapping("The best moments of each day in one file.", keys)


def _names(description: str) -> Schema:
    shapes: list[Schema] = [_NAME, {"type": "array", "items": _NAME, "minItems": 1}, {"type": "null"}]
    return {"description": description, "anyOf": shapes}


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


def _any_text(description: str) -> Schema:
    return {"description": description, "type": ["string", "null"], "default": None}


def _address(description: str, scheme: str) -> Schema:
    return {"description": description, "type": "string", "pattern": rf"^\s*{scheme}://[^/?#\s]"}


def _topic(description: str, default: str) -> Schema:
    pattern = f"^{TOPIC.pattern}$"
    about: Schema = {"description": description, "type": ["string", "null"], "pattern": pattern}
    return {**about, "maxLength": MAX_TOPIC_LENGTH, "default": default}


def _choice(description: str, choices: tuple[str, ...], default: str | None) -> Schema:
    return {"description": description, "enum": [*choices, None], "default": default}


def _switch(description: str, default: bool) -> Schema:
    return {"description": description, "type": ["boolean", "null"], "default": default}


def _score(description: str, default: float | None) -> Schema:
    about: Schema = {"description": description, "type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1}
    return {**about, "default": default}


def _size(description: str, default_bytes: int) -> Schema:
    shapes: list[Schema] = [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": f"^{SIZE.pattern}$"},
        {"type": "null"},
    ]
    return {"description": f"{description} Such as 64MiB, 10GB, or bytes.", "anyOf": shapes, "default": default_bytes}


def _timeout(description: str, default_s: float) -> Schema:
    return _duration(description, default_s, minimum=MIN_TIMEOUT_S, maximum=MAX_TIMEOUT_S)


def _duration(
    description: str,
    default_s: float | None,
    *,
    above_zero: bool = False,
    minimum: float = 0,
    maximum: float | None = None,
) -> Schema:
    lower = {"exclusiveMinimum": 0} if above_zero else {"minimum": minimum}
    upper = {} if maximum is None else {"maximum": maximum}
    shapes: list[Schema] = [
        {"type": "number", **lower, **upper},
        {"type": "string", "pattern": f"^{DURATION.pattern}$"},
        {"type": "null"},
    ]
    return {"description": f"{description} Such as 500ms, 5s, 2m, or seconds.", "anyOf": shapes, "default": default_s}
