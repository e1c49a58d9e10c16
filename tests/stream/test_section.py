import pytest

from stream.errors import ConfigError
from stream.section import Section, check_name, nearest


def test_every_reader_returns_its_default_for_an_absent_key() -> None:
    """An empty mapping reads as all defaults."""
    section = Section({}, "top")
    assert section.text("a", "x") == "x"
    assert section.boolean("b", True) is True
    assert section.number("c", 0.5) == 0.5
    assert section.integer("d", 3) == 3
    assert section.duration_s("e", 2.0) == 2.0
    assert section.choice("f", ("tcp", "udp"), "tcp") == "tcp"
    assert not section.has("g")
    assert list(section.section("h").entries()) == []
    section.refuse_unknown()


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", 5),
        ("boolean", "yes"),
        ("number", "fast"),
        ("number", True),
        ("integer", 1.5),
        ("duration_s", "soon"),
        ("section", "text"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_path(reader: str, value: object) -> None:
    """The error says where the value stands."""
    defaults: dict[str, tuple[object, ...]] = {"section": (), "text": ("",), "boolean": (False,)}
    with pytest.raises(ConfigError) as caught:
        getattr(Section({"key": value}, "a.b"), reader)("key", *defaults.get(reader, (0,)))
    assert caught.value.path == "a.b.key"


def test_an_unknown_key_is_refused_with_the_nearest_valid_one() -> None:
    """A misspelling is answered with the right spelling."""
    section = Section({"urll": "x"}, "streams.pitch")
    section.text("url", "")
    section.text("transport", "")
    with pytest.raises(ConfigError, match=r"streams.pitch.urll: unknown key; did you mean 'url'\?") as caught:
        section.refuse_unknown()
    assert caught.value.code == "unknown_key"


def test_a_missing_required_key_is_named() -> None:
    """A key without default must be written."""
    with pytest.raises(ConfigError, match=r"queries\.goal: the key 'text' is required") as caught:
        Section({}, "queries.goal").text("text")
    assert caught.value.code == "missing_key"


def test_nearest_lists_all_when_nothing_is_close() -> None:
    """A key like no other gets the whole list."""
    assert nearest("zzz", ["url", "transport"]) == "valid keys: transport, url"


def test_a_wrong_kind_is_described_without_showing_the_value() -> None:
    """A value that may be a secret is never repeated."""
    with pytest.raises(ConfigError) as caught:
        Section({"token": ["hunter2"]}, "").text("token")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["a", "cam-1_b", "0" * 64])
def test_good_names(name: str) -> None:
    """Lower-case letters, digits, '-' and '_', up to 64."""
    assert check_name(name, "streams") == name


@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "x" * 65, 5, None, "a\n"])
def test_bad_names(name: object) -> None:
    """Anything that would need escaping in a URL or a topic is refused."""
    with pytest.raises(ConfigError, match="must be 1 to 64 of the characters"):
        check_name(name, "streams")
