"""Files joined as they are: every picture decoded, in its place and only once, with its sound."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import av
import pytest

from stream.clips.cutter import CutError, begins_s, cut
from stream.clips.joiner import Chapter, Piece, join, length_s, survey
from stream.clips.ring import PacketRing
from tests.media import FPS, coded_pictures, encode_video
from tests.stream.clips.conftest import FillFactory, Shown, show

_QUICK = {"deadline": "realtime", "cpu-used": "8"}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "h264": (".mp4", {}),
    "h264 with B-frames and sound": (".mp4", {"b_frames": 2, "audio": True, "options": {"preset": "veryfast"}}),
    "h265 with B-frames": (".mp4", {"codec": "libx265", "b_frames": 3}),
    "vp8 with sound": (".webm", {"codec": "libvpx", "audio": True, "options": _QUICK}),
    "vp9": (".webm", {"codec": "libvpx-vp9", "options": _QUICK}),
}


class Film:
    """10 s of numbered pictures of one kind, a keyframe each second, and clips of them."""

    def __init__(self, ring: PacketRing, suffix: str, folder: Path) -> None:
        self.suffix = suffix
        self._ring = ring
        self._folder = folder
        self._count = 0

    def piece(self, start_s: float, end_s: float) -> Piece:
        """A clip of it."""
        selection = self._ring.select(0, start_s, end_s)
        assert selection is not None and selection.tracks.container is not None
        self._count += 1
        path = self._folder / f"{self._count}{self.suffix}"
        cut(selection, path)
        # As it is told on the wire, in milliseconds.
        return survey(path, selection.tracks.container, round(begins_s(selection), 3))

    def joined(self, *stretches: list[Piece], chapters: tuple[Chapter, ...] = ()) -> tuple[Path, Shown]:
        path = self._folder / f"joined{self.suffix}"
        join(stretches, chapters, path, lambda share: None)
        return path, show(path)


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def film(kind: str, tmp_path: Path, fill: FillFactory) -> Film:
    suffix, options = KINDS[kind]
    path = encode_video(tmp_path / f"film{suffix}", coded_pictures(10 * FPS), **options)
    return Film(fill(path), suffix, tmp_path)


def runs(codes: list[int]) -> list[tuple[int, int]]:
    """The numbers of pictures as stretches without a hole."""
    found: list[tuple[int, int]] = []
    for code in codes:
        if found and code == found[-1][1] + 1:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return found


def test_pieces_are_shown_one_behind_the_other(film: Film, kind: str) -> None:
    """In the order given, each from its keyframe (VP8: from where it begins) to its end; time goes on evenly."""
    late, early = film.piece(7.3, 8.1), film.piece(1.52, 3.0)
    _, shown = film.joined([late], [early])
    first, second = runs(shown.codes)
    assert (first[0], second[0]) == ((182, 38) if kind.startswith("vp8") else (175, 25))
    assert first[1] >= 202 and second[1] >= 74
    steps = [after - before for before, after in itertools.pairwise(shown.times_s)]
    assert shown.times_s[0] == 0 and all(step == pytest.approx(1 / FPS, abs=0.002) for step in steps)
    assert shown.times_s[-1] + 1 / FPS == pytest.approx(length_s([late]) + length_s([early]), abs=0.01)


def test_what_two_pieces_show_is_shown_once(film: Film, kind: str) -> None:
    """One goes on where the other ends, in the middle of a GOP, without a keyframe or a hole."""
    _, shown = film.joined([film.piece(1.52, 3.0), film.piece(2.4, 4.2)], [film.piece(7.3, 8.1)])
    first, second = runs(shown.codes)
    assert first[0] == (38 if kind.startswith("vp8") else 25) and first[1] >= 104
    assert second[0] == (182 if kind.startswith("vp8") else 175)


def test_parts_that_meet_are_joined_without_a_hole(film: Film) -> None:
    """As a long moment is cut in parts, each from a keyframe before where the last one ended."""
    _, shown = film.joined([film.piece(1.0, 3.0), film.piece(3.0, 5.0), film.piece(5.0, 6.0)])
    assert len(runs(shown.codes)) == 1 and shown.codes[0] == 25 and shown.codes[-1] >= 149


def test_sound_stays_with_the_pictures(film: Film, kind: str) -> None:
    """As long as they are, however often it is joined."""
    if "sound" not in kind:
        pytest.skip("it has none")
    pieces = [[film.piece(0.3 + i % 8, 1.0 + i % 8)] for i in range(12)]
    path, shown = film.joined(*pieces)
    assert shown.sound_s == pytest.approx(sum(map(length_s, pieces)), abs=0.1)
    with av.open(str(path)) as joined:
        tick = float(joined.streams.audio[0].time_base or 0)
        stamps = [packet.pts * tick for packet in joined.demux(audio=0) if packet.pts is not None]
    gaps = [after - before for before, after in itertools.pairwise(stamps)]
    assert min(gaps) > 0 and max(gaps) < 0.15 and stamps[-1] == pytest.approx(shown.times_s[-1], abs=0.1)


def test_chapters_are_in_the_file(film: Film) -> None:
    """With their titles, each to the beginning of the next."""
    piece = film.piece(0.0, 4.0)
    path, _ = film.joined([piece], chapters=(Chapter(0.0, "a goal · 18:30:12"), Chapter(1.5, "ein Müller")))
    with av.open(str(path)) as joined:
        found = joined.chapters()
    assert [chapter["metadata"]["title"] for chapter in found] == ["a goal · 18:30:12", "ein Müller"]
    begins_s = [float(chapter["start"] * (chapter["time_base"] or 0)) for chapter in found]
    ends_s = [float(chapter["end"] * (chapter["time_base"] or 0)) for chapter in found]
    assert begins_s == [0.0, 1.5] and ends_s == [1.5, pytest.approx(piece.end_s, abs=0.01)]


def test_the_index_of_an_mp4_is_at_its_front(fill: FillFactory, tmp_path: Path) -> None:
    """So that a browser plays it while it loads."""
    film = Film(fill(encode_video(tmp_path / "film.mp4", coded_pictures(50))), ".mp4", tmp_path)
    path, _ = film.joined([film.piece(0.0, 1.0)], chapters=(Chapter(0.0, "a"),))
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_what_is_no_clip_is_refused(fill: FillFactory, tmp_path: Path) -> None:
    """Before anything is written; work that is ended leaves nothing behind."""
    (tmp_path / "odd.mp4").write_bytes(b"no video")
    with pytest.raises(CutError, match=r"odd\.mp4 cannot be read as a clip"):
        survey(tmp_path / "odd.mp4", "mp4", 0.0)
    with pytest.raises(FileNotFoundError):
        survey(tmp_path / "missing.mp4", "mp4", 0.0)
    film = Film(fill(encode_video(tmp_path / "film.mp4", coded_pictures(50))), ".mp4", tmp_path)

    def end(share: float) -> None:
        raise KeyError(share)

    with pytest.raises(KeyError):
        join([[film.piece(0.0, 1.0)]], [], tmp_path / "joined.mp4", end)
    assert not (tmp_path / "joined.mp4").exists()


def test_kinds_are_told_apart(fill: FillFactory, tmp_path: Path) -> None:
    """By codec, size, and whether there is sound; the same camera again is the same."""
    with_sound = encode_video(tmp_path / "a.mp4", coded_pictures(25), audio=True)
    silent = encode_video(tmp_path / "b.mp4", coded_pictures(25))
    again = encode_video(tmp_path / "c.mp4", coded_pictures(50))
    large = encode_video(tmp_path / "d.mp4", coded_pictures(25, 320, 192))
    first, second, third, fourth = (survey(path, "mp4", 0.0).kind for path in (with_sound, silent, again, large))
    assert second == third and len({first, second, fourth}) == 3
    assert str(first) == "h264 160x96, aac at 16000 Hz" and str(fourth) == "h264 320x192, without sound"
