"""The schema and the readers of the settings say the same of every key, and of every value of one key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from stream.cli.app import run
from stream.errors import ConfigError
from stream.settings import load_settings, parse_settings
from stream.settings_schema import settings_schema
from stream.sinks.settings import parse_sink
from stream.yaml_document import read_yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
SCHEMA: Final = settings_schema()
VALIDATOR: Final = Draft202012Validator(SCHEMA)

STREAM: Final = SCHEMA["$defs"]["stream"]["anyOf"][1]["properties"]
QUERY: Final = SCHEMA["$defs"]["query"]["anyOf"][1]["properties"]
KEYS: Final[dict[str, dict[str, Any]]] = {
    "": SCHEMA["properties"],
    "retention": SCHEMA["properties"]["retention"]["properties"],
    "server": SCHEMA["properties"]["server"]["properties"],
    "stream": STREAM,
    "query": QUERY,
    "threshold": QUERY["threshold"]["properties"],
    "clip": QUERY["clip"]["anyOf"][1]["properties"],
    "clips": SCHEMA["properties"]["clips"]["properties"],
    "reel": SCHEMA["$defs"]["reel"]["properties"],
    **{sink["properties"]["type"]["const"]: sink["properties"] for sink in SCHEMA["$defs"]["sink"]["anyOf"]},
}
REQUIRED: Final = ("url", "text", "type")
VALUES: Final[tuple[object, ...]] = (
    *(None, True, False, 0, 1, 2, 0.25, 0.5, 1.0, 1.5, -1, 400, 70000, 65535),
    *(
        "",
        " ",
        "a",
        "tcp",
        "udp",
        "fast",
        "realtime",
        "5s",
        "500ms",
        ".5m",
        "5 parsecs",
        "-1s",
        "0",
        "UPPER",
        "x" * 600,
    ),
    *([], ["a"], ["a", "B"], [1], {}, {"a": "x"}, {"zzz": 1}, {"A": "x"}),
)
BETWEEN_KEYS: Final = {
    ("threshold", "exit"),
    ("query", "min_duration"),
    ("query", "max_duration"),
    ("query", "deliver"),
    ("retention", "max_age"),
    ("webhook", "timeout"),
    ("mqtt", "timeout"),
    ("mqtt", "password"),
    ("clips", "options"),
    ("reel", "timezone"),
    ("reel", "max_length"),
}
"""Of these the schema cannot say all: they are bounded by another key, or are text that says a number."""


def document(place: str, **keys: object) -> dict[str, Any]:
    """Settings in which some keys are written beside those that are required."""
    wrapped: dict[str, dict[str, Any]] = {
        "": keys,
        "retention": {"retention": keys},
        "server": {"server": keys},
        "stream": {"streams": {"a": {"url": "demo://broadcast", **keys}}},
        "query": {"queries": {"a": {"text": "a", **keys}}},
        "threshold": {"queries": {"a": {"text": "a", "threshold": keys}}},
        "clip": {"queries": {"a": {"text": "a", "clip": keys}}},
        "clips": {"clips": keys},
        "webhook": {"sinks": {"a": {"type": "webhook", "url": "https://example.com/", **keys}}},
        "mqtt": {"sinks": {"a": {"type": "mqtt", "url": "mqtts://broker.local", **keys}}},
        "reel": {"reels": {"a": keys}},
    }
    return wrapped[place]


def is_taken(settings: object) -> bool:
    try:
        parse_settings(settings)
    except ConfigError:
        return False
    return True


def known_keys(place: str) -> set[str]:
    """The keys that the readers take, from the error that lists them."""
    with pytest.raises(ConfigError) as refused:
        parse_settings(document(place, zzzzzzzz=1))
    return set(refused.value.problem.partition("valid keys: ")[2].split(", "))


def test_the_schema_is_one() -> None:
    """Valid itself, and plain JSON."""
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("place", KEYS)
def test_both_know_the_same_keys(place: str) -> None:
    """A key that is added must be added to the schema; it refuses all others."""
    assert KEYS[place].keys() == known_keys(place)
    assert not VALIDATOR.is_valid(document(place, zzzzzzzz=1))


@pytest.mark.parametrize(("place", "key"), [(place, key) for place, keys in KEYS.items() for key in keys])
def test_both_take_the_same_values(place: str, key: str) -> None:
    """Whatever is written; where keys depend on each other, the schema refuses nothing that the readers take."""
    for value in VALUES:
        settings = document(place, **{key: value})
        taken, valid = is_taken(settings), VALIDATOR.is_valid(settings)
        assert valid or not taken, f"only the schema refuses {value!r}"
        assert taken or not valid or (place, key) in BETWEEN_KEYS, f"only the readers refuse {value!r}"


@pytest.mark.parametrize(("place", "key"), [(place, key) for place, keys in KEYS.items() for key in keys])
def test_a_default_is_what_leaving_out_means(place: str, key: str) -> None:
    """And so is null."""
    about = KEYS[place][key]
    if key in REQUIRED:
        assert "default" not in about
        return
    bare = parse_settings(document(place))
    for value in [None, *([about["default"]] if "default" in about else [])]:
        assert parse_settings(document(place, **{key: value})) == bare


def test_what_is_short_is_taken() -> None:
    """A bare address and a bare sentence."""
    assert VALIDATOR.is_valid({"streams": {"a": "demo://broadcast"}, "queries": {"b": "it rains"}})
    assert not VALIDATOR.is_valid({"queries": {"b": " "}}) and not VALIDATOR.is_valid({"queries": {"b": None}})


def test_the_example_is_taken_in_full_and_shows_every_key() -> None:
    """By the readers and by the schema."""
    path = DEPLOY / "r2stream.yaml"
    settings = load_settings(path, {})
    assert settings.streams["broadcast"].enabled and set(settings.queries) == {"goal", "car"}
    written: Any = read_yaml(path)
    VALIDATOR.validate(written)
    assert written.keys() == KEYS[""].keys() and written["server"].keys() == KEYS["server"].keys()
    assert written["streams"]["entrance"].keys() == KEYS["stream"].keys()
    assert written["queries"]["car"].keys() == KEYS["query"].keys()
    assert written["queries"]["car"]["threshold"].keys() == KEYS["threshold"].keys()
    assert written["queries"]["car"]["clip"].keys() == KEYS["clip"].keys()
    assert written["clips"].keys() == KEYS["clips"].keys() and written["retention"].keys() == KEYS["retention"].keys()
    assert all(sink.keys() == KEYS[sink["type"]].keys() for sink in written["sinks"].values())
    assert {sink["type"] for sink in written["sinks"].values()} == {"webhook", "mqtt"}


def test_the_example_shows_the_defaults() -> None:
    """All but what it says it is not."""
    written: Any = read_yaml(DEPLOY / "r2stream.yaml")
    query = parse_settings({"queries": {"car": {"text": "a red car drives from left to right"}}}).queries["car"]
    rest = {key: value for key, value in written["queries"]["car"].items() if key not in ("streams", "deliver")}
    assert parse_settings({"queries": {"car": rest}}).queries["car"] == query
    for key in ("server", "retention", "clips"):
        assert getattr(parse_settings({key: written[key]}), key) == getattr(parse_settings({}), key)
    for name, sink in written["sinks"].items():
        short = parse_sink(name, {"type": sink["type"], "url": sink["url"], "enabled": False})
        assert parse_sink(name, sink) == short
    assert (written["model"], written["device"]) == (KEYS[""]["model"]["default"], KEYS[""]["device"]["default"])


def test_the_schema_beside_the_example_is_the_one_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Make it again with `r2stream config schema > deploy/r2stream.schema.json`."""
    assert run(["config", "schema"]) == 0
    assert capsys.readouterr().out == (DEPLOY / "r2stream.schema.json").read_text()
    hint = (DEPLOY / "r2stream.yaml").read_text().splitlines()[0]
    assert hint == "# yaml-language-server: $schema=r2stream.schema.json"
