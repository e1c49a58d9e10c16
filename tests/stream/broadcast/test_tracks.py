import pytest

from stream.broadcast.tracks import Track, smooth


def test_a_track_is_linear_between_keys_and_constant_outside() -> None:
    """Halfway between two keys lies their mean; before the first and after the last nothing moves."""
    track = Track((0.0, 10.0))
    track.add(2.0, (4.0, 20.0))

    assert track.at(-1.0).tolist() == [0.0, 10.0]
    assert track.at(1.0).tolist() == [2.0, 15.0]
    assert track.at(9.0).tolist() == [4.0, 20.0]


def test_two_keys_at_the_same_time_are_a_jump() -> None:
    """At the moment of a jump the later key holds."""
    track = Track((0.0,))
    track.hold(1.0)
    track.add(1.0, (5.0,))

    assert track.at(0.999).tolist() == [0.0]
    assert track.at(1.0).tolist() == [5.0]


def test_a_key_in_the_past_is_refused() -> None:
    """Keys come in the order of time."""
    track = Track((0.0,))
    track.add(2.0, (1.0,))

    with pytest.raises(ValueError, match="before the last one"):
        track.add(1.0, (2.0,))


def test_smooth_starts_and_ends_flat() -> None:
    """Easing reaches both ends exactly and is symmetric."""
    assert [smooth(p) for p in (-1.0, 0.0, 0.5, 1.0, 2.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]
