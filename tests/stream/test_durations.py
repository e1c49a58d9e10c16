import pytest

from stream.durations import parse_duration_s


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5s", 5.0),
        ("500ms", 0.5),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("30d", 2_592_000.0),
        ("1.5s", 1.5),
        (" 3 s ", 3.0),
        ("7", 7.0),
        (4, 4.0),
        (0.25, 0.25),
    ],
)
def test_units_and_plain_numbers(written: object, seconds: float) -> None:
    """A number with or without a unit is a duration in seconds."""
    assert parse_duration_s(written) == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["", "5 days", "s", "-1s", -1, True, None, float("nan"), float("inf"), [5], "1e3"])
def test_anything_else_is_refused_with_examples(written: object) -> None:
    """The error shows how to write one."""
    with pytest.raises(ValueError, match="5s, 500ms, 2m"):
        parse_duration_s(written)
