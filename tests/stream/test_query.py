import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import ConfigError
from stream.query import Query, Rolls

NAMES = st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True)
SECONDS = st.floats(0, 1000, allow_nan=False)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    enter = draw(st.floats(0.01, 1))
    low = draw(SECONDS)
    return Query(
        name=draw(NAMES),
        text=draw(st.text("ab ", min_size=1).filter(str.strip)).strip(),
        streams=tuple(draw(st.lists(NAMES, unique=True, max_size=3))),
        enter=enter,
        exit=enter * draw(st.floats(0.1, 1)),
        min_duration_s=low,
        max_duration_s=low + draw(st.floats(0.1, 100)),
        merge_gap_s=draw(SECONDS),
        cooldown_s=draw(SECONDS),
        settle_s=draw(SECONDS),
        confirm_frames=draw(st.integers(1, 9)),
        clip=draw(st.none() | st.builds(Rolls, st.floats(0, 300), st.floats(0, 300))),
        deliver=draw(st.none() | st.lists(st.sampled_from(["hook", "mqtt"]), unique=True).map(tuple)),
        enabled=draw(st.booleans()),
    )


@settings(deadline=None)
@given(query=queries())
def test_parse_reads_what_to_mapping_writes(query: Query) -> None:
    """A query survives being stored."""
    assert Query.parse(query.name, query.to_mapping()) == query


def test_parse_reads_what_a_person_writes() -> None:
    """Durations with units, one stream as a string, thresholds as a mapping."""
    query = Query.parse(
        "goal",
        {
            "text": "  a player scores a goal ",
            "streams": "pitch",
            "threshold": {"enter": 0.6, "exit": 0.4},
            "min_duration": "2s",
            "max_duration": "1m",
            "merge_gap": "500ms",
            "cooldown": 30,
        },
    )
    assert query.text == "a player scores a goal"
    assert query.streams == ("pitch",)
    assert (query.enter, query.exit) == (0.6, 0.4)
    assert (query.min_duration_s, query.max_duration_s, query.merge_gap_s, query.cooldown_s) == (2, 60, 0.5, 30)


@pytest.mark.parametrize(
    ("written", "clip"),
    [
        (None, Rolls()),
        (True, Rolls()),
        (False, None),
        ({"pre_roll": "5s"}, Rolls(5.0)),
        ({"pre_roll": 0, "post_roll": "500ms"}, Rolls(0.0, 0.5)),
    ],
)
def test_a_clip_is_cut_unless_said_otherwise(written: object, clip: Rolls | None) -> None:
    """With two seconds before the moment and after it."""
    assert Query.parse("goal", {"text": "a goal", "clip": written}).clip == clip


def test_a_clips_rolls_change_one_by_one() -> None:
    """What is not sent stays; null is the default again."""
    query = Query.parse("goal", {"text": "a goal", "clip": {"pre_roll": 5, "post_roll": 6}})
    assert query.patched({"clip": {"post_roll": 1}}).clip == Rolls(5.0, 1.0)
    assert query.patched({"clip": False}).patched({"clip": None}).clip == Rolls()
    with pytest.raises(ConfigError, match=r"queries\.goal\.clip: .* at most 300 s"):
        query.patched({"clip": {"pre_roll": 301}})
    with pytest.raises(ConfigError, match="did you mean 'pre_roll'"):
        query.patched({"clip": {"pre_rol": 1}})


def test_a_bare_string_is_the_text() -> None:
    """The shortest query is a sentence; the rest are the class's defaults."""
    assert Query.parse("goal", "a goal") == Query("goal", "a goal")


def test_exit_follows_enter_when_only_enter_is_given() -> None:
    """A high enter does not meet a low default exit, nor a low enter a higher one."""
    assert Query.parse("goal", {"text": "a goal", "threshold": {"enter": 0.2}}).exit == pytest.approx(0.14)


def test_exit_goes_on_following_enter_until_somebody_chooses_it() -> None:
    """Changing `enter` alone moves an exit that nobody chose, also after it was stored, and keeps one that was."""
    stored = Query.parse("goal", Query.parse("goal", {"text": "a", "threshold": {"enter": 0.6}}).to_mapping())
    lower = stored.patched({"threshold": {"enter": 0.3}})
    assert lower.exit == pytest.approx(0.21)
    assert lower.patched({"threshold": {"enter": 0.9}}).exit == pytest.approx(0.63)

    chosen = stored.patched({"threshold": {"exit": 0.1}})
    assert (chosen.enter, chosen.exit) == (0.6, 0.1)
    assert chosen.patched({"threshold": {"enter": 0.9}}).exit == 0.1


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"text": "a", "cooldwn": 3}, r"queries.goal.cooldwn: unknown key; did you mean 'cooldown'\?"),
        (
            {"text": "a", "threshold": {"entry": 0.3}},
            r"queries.goal.threshold.entry: unknown key; did you mean 'enter'\?",
        ),
        ({}, "queries.goal: the key 'text' is required"),
        ({"text": "  "}, "queries.goal.text: must say what to watch for"),
        ({"text": "x" * 513}, "queries.goal.text: must have at most 512 characters, not 513"),
        ({"text": "a", "threshold": {"enter": 0}}, "threshold.enter: must be above 0"),
        ({"text": "a", "threshold": {"enter": 1.1}}, "threshold.enter: must be above 0 and at most 1"),
        ({"text": "a", "threshold": {"enter": 0.3, "exit": 0.4}}, "threshold.exit: must be above 0 and at most enter"),
        ({"text": "a", "min_duration": "9s", "max_duration": "3s"}, "max_duration: must be above 0 and at least min"),
        ({"text": "a", "streams": []}, "streams: must list stream names"),
        ({"text": "a", "streams": ["Big"]}, "streams: the name 'Big' must be"),
        ({"text": "a", "deliver": {"hook": 1}}, "queries.goal.deliver: must list names of sinks"),
        ({"text": "a", "deliver": ["Hook!"]}, "queries.goal.deliver: the name 'Hook!' must be"),
        ({"text": "a", "confirm_frames": 0}, "confirm_frames: must be at least 1"),
        ({"text": "a", "settle": "soon"}, "queries.goal.settle: must be a duration"),
        (["a"], "queries.goal: must be a mapping"),
    ],
)
def test_parse_refuses_with_path_and_reason(mapping: object, message: str) -> None:
    """Every refusal says where and what to write instead."""
    with pytest.raises(ConfigError, match=message):
        Query.parse("goal", mapping)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_no_invalid_query_can_be_constructed(value: float) -> None:
    """The constructor checks as `parse` does."""
    with pytest.raises(ConfigError, match="finite and 0 or more"):
        Query("goal", "a goal", settle_s=value)


def test_watches_every_stream_or_the_named_ones_while_enabled() -> None:
    """No streams means all; a disabled query watches none."""
    assert Query("goal", "a").watches("any")
    assert Query("goal", "a", streams=("pitch",)).watches("pitch")
    assert not Query("goal", "a", streams=("pitch",)).watches("gate")
    assert not Query("goal", "a", enabled=False).watches("any")


def test_a_query_goes_to_every_sink_or_to_the_named_ones() -> None:
    """An empty list is a wish for none."""
    assert Query("goal", "a").goes_to("hook")
    assert Query.parse("goal", {"text": "a", "deliver": "hook"}).deliver == ("hook",)
    assert not Query("goal", "a", deliver=("hook",)).goes_to("mqtt")
    assert not Query.parse("goal", {"text": "a", "deliver": []}).goes_to("hook")


def test_patched_changes_only_what_is_named() -> None:
    """One threshold may change without the other; null resets."""
    query = Query("goal", "a goal", streams=("pitch",), enter=0.6, exit=0.2, cooldown_s=9)
    assert query.patched({"threshold": {"enter": 0.7}}) == Query(
        "goal", "a goal", streams=("pitch",), enter=0.7, exit=0.2, cooldown_s=9
    )
    assert query.patched({"streams": None, "cooldown": None}) == Query("goal", "a goal", enter=0.6, exit=0.2)
    with pytest.raises(ConfigError, match="unknown key"):
        query.patched({"nme": "x"})
