"""Topics, and what Home Assistant is told."""

from __future__ import annotations

import json

from stream.query import Query
from stream.sinks.mqtt_topics import Topics

TOPICS = Topics("site/r2", "homeassistant")
GOAL = Query("goal", "a player scores a goal")


def test_everything_lies_below_the_prefix() -> None:
    """As the documents say."""
    assert (TOPICS.available, TOPICS.events) == ("site/r2/available", "site/r2/events")
    assert TOPICS.status("pitch") == "site/r2/pitch/status"
    assert TOPICS.state("pitch", "goal") == "site/r2/pitch/goal/state"
    assert TOPICS.config("pitch", "goal") == "homeassistant/binary_sensor/site_r2/pitch-Q-goal/config"


def test_no_two_pairs_share_a_topic_or_an_identity() -> None:
    """Names may hold what joins them."""
    pairs = [("a-q", "b"), ("a", "q-b"), ("a-", "b"), ("a", "-b")]
    assert len({TOPICS.config(*pair) for pair in pairs}) == len(pairs)
    identities = {json.loads(TOPICS.discovery(a, Query(b, "x")))["unique_id"] for a, b in pairs}
    assert len(identities) == len(pairs)


def test_home_assistant_learns_of_a_binary_sensor() -> None:
    """Where its state is, what it is called, and when not to believe it."""
    told = json.loads(TOPICS.discovery("pitch", GOAL))
    assert (told["name"], told["unique_id"]) == ("a player scores a goal", "site_r2-pitch-Q-goal")
    assert (told["state_topic"], told["payload_on"], told["payload_off"]) == ("site/r2/pitch/goal/state", "ON", "OFF")
    assert (told["availability_topic"], told["payload_available"]) == ("site/r2/available", "online")
    assert told["device"]["identifiers"] == ["site_r2-pitch"]


def test_filters_match_what_is_retained() -> None:
    """One level for each name."""
    for topic in (TOPICS.status("a"), TOPICS.state("a", "b"), TOPICS.config("a", "b")):
        levels = topic.split("/")
        assert any(
            len(levels) == len(parts) and all(part in ("+", level) for part, level in zip(parts, levels, strict=True))
            for parts in (one.split("/") for one in TOPICS.retained)
        )
