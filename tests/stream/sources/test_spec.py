"""Addresses are understood, or refused with a sentence that helps."""

from pathlib import Path

import pytest

from stream.sources.spec import SourceAddressError, SourceSpec


@pytest.mark.parametrize(
    ("url", "kind", "address"),
    [
        ("rtsp://u:p@cam:554/1?a=b", "rtsp", "rtsp://u:p@cam:554/1?a=b"),
        ("RTSPS://cam/1", "rtsp", "RTSPS://cam/1"),
        ("rtmp://host/app/key", "rtmp", "rtmp://host/app/key"),
        ("rtmp-listen://0.0.0.0:1935/live/x", "rtmp-listen", "rtmp://0.0.0.0:1935/live/x"),
        ("https://host/live.m3u8?x=1", "http", "https://host/live.m3u8?x=1"),
        ("udp://239.0.0.1:1234", "packets", "udp://239.0.0.1:1234"),
        ("file:///tmp/a%20b.mp4", "file", "/tmp/a b.mp4"),
        ("file:clips/a.mp4", "file", "clips/a.mp4"),
        ("clips/a.mp4", "file", "clips/a.mp4"),
        ("demo://broadcast", "demo", "demo://broadcast"),
    ],
)
def test_scheme_decides_the_kind(url: str, kind: str, address: str) -> None:
    """Each scheme leads to one kind of source; a path without scheme is a file."""
    spec = SourceSpec.parse(url)
    assert (spec.kind, spec.address) == (kind, address)


def test_our_options_never_reach_the_server() -> None:
    """Options behind `#` are taken out of the address, the server's own query stays in it."""
    spec = SourceSpec.parse("rtsp://cam/1?channel=2#transport=udp")
    assert (spec.address, spec.transport) == ("rtsp://cam/1?channel=2", "udp")


def test_files_take_their_pace_from_the_address_or_the_caller() -> None:
    """`?pace=` wins over the caller's default."""
    assert SourceSpec.parse("a.mp4").pace == "realtime"
    assert SourceSpec.parse("a.mp4", pace="fast").pace == "fast"
    assert SourceSpec.parse("a.mp4?pace=realtime", pace="fast").pace == "realtime"
    assert SourceSpec.parse("file:///a.mp4?pace=fast").pace == "fast"


def test_a_question_mark_may_be_part_of_a_file_name(tmp_path: Path) -> None:
    """A file that exists under the whole name is meant as it stands."""
    path = tmp_path / "who?pace=fast"
    path.touch()
    spec = SourceSpec.parse(str(path))
    assert (spec.address, spec.pace) == (str(path), "realtime")


def test_demo_takes_seed_speed_and_start() -> None:
    """The demo's options say which programme is shown, how fast, and from where."""
    spec = SourceSpec.parse("demo://broadcast?seed=7&speed=2.5&start=60")
    assert (spec.seed, spec.speed, spec.start) == (7, 2.5, 60.0)


def test_what_is_shown_hides_the_password() -> None:
    """`shown` is for people: no password, and none of our options."""
    spec = SourceSpec.parse("rtsp://admin:hunter2@cam:554/1#transport=udp")
    assert (spec.shown, spec.host, spec.path) == ("rtsp://admin:***@cam:554/1", "cam:554", "/1")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("gopher://host/x", "rtsp"),
        ("concat:a|b", "do not speak 'concat'"),
        ("rtsp:///x", "host"),
        ("rtsp://cam:port/x", "scheme://host:port/path"),
        ("rtsp://[::1/x", "scheme://host:port/path"),
        ("rtmp-listen://0.0.0.0/live", "port"),
        ("rtsp://cam/1#transprt=udp", "Did you mean 'transport'?"),
        ("rtsp://cam/1#transport=quic", "transport=tcp or transport=udp"),
        ("rtmp://host/x#pace=fast", "no options"),
        ("a.mp4?pace=slow", "pace=realtime or pace=fast"),
        ("demo://match", "demo://broadcast"),
        ("demo://broadcast?seed=x", "whole number"),
        ("demo://broadcast?seed=-5", "whole number, 0 or more"),
        ("demo://broadcast?start=900000000", "from 0 to 86400"),
        ("demo://broadcast?speed=0", "above 0"),
        ("demo://broadcast?speed=nan", "above 0"),
        ("demo://broadcast?start=-1", "from 0 to 86400"),
        ("file://host/a.mp4", "three slashes"),
        ("", "empty"),
    ],
)
def test_impossible_addresses_say_what_to_write(url: str, words: str) -> None:
    """A refused address names the mistake and the cure."""
    with pytest.raises(SourceAddressError, match=words.replace("?", r"\?").replace("(", r"\(")):
        SourceSpec.parse(url)


def test_errors_about_addresses_hold_no_password() -> None:
    """A password with an unescaped `#` or `/` is neither lost silently nor repeated."""
    for url, cure in (("rtsp://admin:hun#ter2@cam/1", "%23"), ("rtsp://admin:hun/ter2@cam/1", "%2F")):
        with pytest.raises(SourceAddressError, match=cure) as caught:
            SourceSpec.parse(url)
        assert "ter2" not in str(caught.value) and "hun" not in str(caught.value)


def test_long_addresses_are_no_file_names() -> None:
    """A signed address longer than any file name may be is still an address."""
    assert SourceSpec.parse("https://host/live.m3u8?sig=" + "a" * 5000).kind == "http"
