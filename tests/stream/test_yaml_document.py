from pathlib import Path

import pytest

from stream.errors import ConfigError
from stream.yaml_document import MAX_BYTES, key_lines, line_of, parse_yaml, read_yaml


def test_plain_data_is_read() -> None:
    """Mappings, lists and scalars; an empty text is None."""
    assert parse_yaml("a: {b: [1, 2.5, true, x]}") == {"a": {"b": [1, 2.5, True, "x"]}}
    assert parse_yaml("# nothing\n") is None


def test_anchors_and_merges_work() -> None:
    """A key that overrides a merged one is no duplicate."""
    text = "base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}"
    assert parse_yaml(text) == {"base": {"x": 1, "y": 2}, "mine": {"x": 1, "y": 3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: is not valid YAML: the key 'a' is written twice"),
        ("a: [1, 2", "line 1"),
        ("a:\n\tb: 1", "line 2, column 1"),
        ("a: !!python/object/apply:os.system ['true']", "line 1.*could not determine a constructor"),
        ("a: *nowhere", "line 1"),
        ("? [a]\n: b", "line 1"),
        ("a: 1\n---\nb: 2", "line 2"),
        ("a: \x07", "is not valid YAML"),
        ("[" * 600, "is not valid YAML"),
    ],
)
def test_what_is_not_valid_is_refused_with_its_line(text: str, message: str) -> None:
    """Nothing runs, nothing is kept of half a file."""
    with pytest.raises(ConfigError, match=message) as caught:
        parse_yaml(text)
    assert caught.value.code == "bad_file"


def test_an_error_quotes_no_secret() -> None:
    """The line that is wrong may hold a password."""
    with pytest.raises(ConfigError) as caught:
        parse_yaml("cam: rtsp://me:hunter2@cam/1: 'x\n")
    assert "hunter2" not in str(caught.value)


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    """Missing, a folder, not text, too large, not YAML."""
    binary, large, broken = tmp_path / "binary.yaml", tmp_path / "large.yaml", tmp_path / "broken.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    large.write_bytes(b" " * (MAX_BYTES + 1))
    broken.write_text("a: [")
    for path in (tmp_path / "none.yaml", tmp_path, binary, large, broken):
        with pytest.raises(ConfigError) as caught:
            read_yaml(path)
        assert caught.value.file == str(path)
        assert str(caught.value).startswith(str(path))


def test_a_byte_order_mark_is_not_content(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(path) == {"a": 1}


def test_every_key_has_its_line() -> None:
    """By its path; a key of a flow mapping is on the line where it is written."""
    text = "# settings\nserver:\n  port: 1\nqueries:\n  goal: {text: a,\n    threshold: {enter: 1}}\n"
    assert key_lines(text) == {
        "server": 2,
        "server.port": 3,
        "queries": 4,
        "queries.goal": 5,
        "queries.goal.text": 5,
        "queries.goal.threshold": 6,
        "queries.goal.threshold.enter": 6,
    }


def test_a_path_that_is_not_written_has_the_line_of_what_is_around_it() -> None:
    """A missing key is missing in some mapping."""
    lines = {"streams": 2, "streams.a": 3}
    assert [line_of(path, lines) for path in ("streams.a.url", "streams.a", "model", "")] == [3, 3, None, None]


@pytest.mark.parametrize("text", ["a: [", "", "just text", "- a\n- b: 1\n", "a: &a {b: *a}", "? [1, 2]\n: 3\n"])
def test_lines_of_anything_are_found_or_not(text: str) -> None:
    """Never an error, nor an endless walk."""
    assert all(line >= 1 for line in key_lines(text).values())
