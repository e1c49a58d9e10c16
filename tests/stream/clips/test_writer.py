"""From the log's moments to files and events, whatever goes wrong on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest

from stream.clips.clocks import Clocks
from stream.clips.folder import ClipFolder
from stream.clips.packets import EncodedPacket
from stream.clips.planner import CAPACITY, GRACE_S, RESTARTED
from stream.clips.remote import RemoteFolder
from stream.clips.retention import Retention
from stream.clips.rings import Rings
from stream.clips.uploads import Persistence, Uploads
from stream.clips.writer import ClipWriter
from stream.events import ClipEvent, ClipInfo, Instant, MomentEvent, rfc3339
from stream.metrics import Metrics
from stream.query import Rolls
from stream.store import Store
from tests.conftest import EPOCH_S
from tests.media import FPS, coded_pictures, encode_video, picture_code
from tests.stream.clips.conftest import FillFactory, rgb, show

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

SECONDS = 8
Until = Callable[[Callable[[], bool]], None]


@dataclass
class Desk:
    """A writer and all that it works with."""

    store: Store
    folder: ClipFolder
    retention: Retention = field(default_factory=lambda: Retention(1 << 30, 1e9))
    rings: Rings = field(default_factory=lambda: Rings(64 << 20))
    metrics: Metrics = field(default_factory=Metrics)
    now_s: float = 100.0
    rolls: Rolls | None = field(default_factory=lambda: Rolls(0.4, 0.4))
    target: RemoteFolder | None = None
    """Where clips go from the folder; None leaves them there."""

    def writer(self) -> ClipWriter:
        clocks = Clocks(lambda: EPOCH_S + self.now_s, lambda: self.now_s)
        target, quick = self.target, Persistence(0.1, 0.2)
        uploads = None if target is None else Uploads(self.folder, target, self.metrics, quick)
        return ClipWriter(
            self.store,
            self.rings,
            self.folder,
            self.retention,
            self.metrics,
            lambda query: self.rolls,
            clocks,
            uploads,
        )

    @contextmanager
    def running(self) -> Iterator[ClipWriter]:
        writer = self.writer()
        writer.start()
        try:
            yield writer
        finally:
            assert writer.stop()

    def told(self) -> list[ClipEvent]:
        return [event for event in self.store.read(0, 1000).events if isinstance(event, ClipEvent)]

    def only(self) -> ClipEvent:
        (event,) = self.told()
        return event


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk(store, ClipFolder(tmp_path / "clips"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s of numbered pictures with sound, a keyframe each second."""
    pictures = coded_pictures(SECONDS * FPS)
    options = {"preset": "veryfast"}
    return encode_video(
        tmp_path_factory.mktemp("video") / "video.mp4", pictures, b_frames=2, audio=True, options=options
    )


@pytest.fixture
def ended(moment: MomentFactory) -> Callable[..., MomentEvent]:
    """A moment that has ended and waits for its clip."""

    def make(start_s: float = 3.0, end_s: float = 5.0, **about: Any) -> MomentEvent:
        def instant(media_time_s: float) -> Instant:
            return Instant(time=rfc3339(EPOCH_S + media_time_s), media_time_s=media_time_s, final=True)

        given = {"start": instant(start_s), "end": instant(end_s), "clip": ClipInfo(state="pending"), **about}
        return moment("ended", **given)

    return make


def filled(desk: Desk, fill: FillFactory, video: Path, stream: str = "pitch") -> None:
    fill(video, desk.rings.ring(stream))


def test_a_moment_that_ends_becomes_a_clip(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """With what comes before it and after it; the event tells where it is and what it shows, and comes last."""
    filled(desk, fill, video)
    with desk.running():
        desk.store.append([ended(moment_id="m1")])
        until(lambda: bool(desk.told()))
    event = desk.only()
    assert (event.type, event.source, event.id) == ("r2stream.clip.ready", "/streams/pitch", "clip-m1")
    clip = event.data
    assert (clip.clip_id, clip.moment_id, clip.stream, clip.query) == ("m1", "m1", "pitch", "goal")
    assert (clip.state, clip.reason, clip.container) == ("ready", None, "mp4")
    assert (clip.url, clip.thumbnail_url) == ("/v1/moments/m1/clip.mp4", "/v1/moments/m1/thumbnail.jpg")
    assert clip.preview_url == "/v1/moments/m1/preview.webp"
    path = desk.folder.video("m1", "mp4")
    assert path.stat().st_size == clip.bytes
    shown = show(path)
    assert shown.codes[0] == round(2.6 * FPS) and shown.codes[-1] >= round(5.4 * FPS) - 1
    assert clip.start.media_time_s == pytest.approx(2.6, abs=0.05)
    assert clip.end.media_time_s == pytest.approx((shown.codes[-1] + 1) / FPS, abs=0.05)
    assert clip.start.time == rfc3339(EPOCH_S + (clip.start.media_time_s or 0))
    assert desk.folder.thumbnail("m1").read_bytes().startswith(b"\xff\xd8")
    assert sorted(file.name for file in desk.folder.path.iterdir()) == ["m1.jpg", "m1.mp4", "m1.webp"]
    rendered = desk.metrics.render().decode()
    assert 'r2stream_clips_total{result="ready"} 1.0' in rendered and "r2stream_clip_seconds_count 1.0" in rendered
    record = desk.store.clips.find("m1")
    assert record is not None and record.told and record.data == clip


def test_moments_that_want_no_clip_get_none(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], moment: MomentFactory, until: Until
) -> None:
    """Nor do those that go on, or are withdrawn."""
    filled(desk, fill, video)
    pending = ClipInfo(state="pending")
    with desk.running():
        desk.store.append(
            [ended(clip=ClipInfo()), moment("started", clip=pending), moment("retracted"), ended(moment_id="last")]
        )
        until(lambda: bool(desk.told()))
    assert desk.only().data.clip_id == "last"


def test_a_clip_waits_for_its_last_packet(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """The post-roll is still to come when the moment ends."""
    full, ring = Rings(64 << 20).ring("other"), desk.rings.ring("pitch")
    assert full is not None and ring is not None
    fill(video, full)
    whole = full.select(0, 0.0, 99.0)
    assert whole is not None
    way = ring.begin(whole.tracks)
    packets = iter(whole.video)

    def send(until_s: float) -> None:
        for packet in packets:
            way.video(packet)
            way.place(0, whole.offset_s, 0.0)
            if whole.tracks.video.seconds(packet.dts or 0) - whole.offset_s > until_s:
                return

    send(5.2)
    with desk.running() as writer:
        desk.store.append([ended()])
        until(lambda: writer.waiting == 1)
        threading.Event().wait(0.3)
        assert desk.told() == [] and writer.waiting == 1
        send(5.5)
        until(lambda: bool(desk.told()))
    assert (desk.only().data.end.media_time_s or 0.0) >= 5.4


def test_a_clip_does_not_wait_for_ever(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """When nothing more comes by a connection that nobody has ended, it is cut with what is there."""
    filled(desk, fill, video)
    with desk.running() as writer:
        desk.store.append([ended(epoch=0, end_s=7.9)])
        until(lambda: bool(desk.told()))
        ring = desk.rings.ring("pitch")
        assert ring is not None and ring.tracks is not None
        ring.begin(ring.tracks).place(1, 0.0, 0.0)
        desk.store.append([ended(epoch=1, moment_id="silent")])
        until(lambda: writer.waiting == 1)
        desk.now_s += GRACE_S + 1
        until(lambda: len(desk.told()) == 2)
    assert desk.told()[0].data.state == "ready"
    silent = desk.told()[1]
    assert silent.type == "r2stream.clip.failed" and "not held" in (silent.data.reason or "")


def test_a_moment_whose_beginning_is_gone_gets_no_clip(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """A clip that misses the moment is none; the reason says what to change."""
    desk.rings = Rings(40_000)
    filled(desk, fill, video)
    with desk.running():
        desk.store.append([ended(0.5, 7.5, moment_id="long"), ended(7.5, 7.9, moment_id="short")])
        until(lambda: len(desk.told()) == 2)
    long, short = (event.data for event in desk.told())
    assert (long.state, short.state) == ("failed", "ready")
    assert long.reason is not None and long.reason.startswith("Its beginning is not held")
    assert "raise clips.memory_per_stream" in long.reason
    assert long.url is None


def test_a_stream_without_video_is_a_reason(desk: Desk, ended: Callable[..., MomentEvent], until: Until) -> None:
    """As when it was removed long ago."""
    with desk.running():
        desk.store.append([ended()])
        until(lambda: bool(desk.told()))
    assert desk.only().data.reason == "No video of the stream 'pitch' is held any more."


def test_a_disk_that_refuses_is_a_reason(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """And the next clip is tried all the same."""
    filled(desk, fill, video)
    desk.folder.path.write_text("not a folder")
    with desk.running():
        desk.store.append([ended(moment_id="a")])
        until(lambda: bool(desk.told()))
        desk.folder.path.unlink()
        desk.store.append([ended(moment_id="b")])
        until(lambda: len(desk.told()) == 2)
    refused, fine = desk.told()
    assert "check clips.folder" in (refused.data.reason or "") and fine.data.state == "ready"


def test_packets_that_make_no_file_are_a_reason(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """A mistake of ours or of the sender's ends one clip, not all."""
    filled(desk, fill, video)
    ring = desk.rings.ring("pitch")
    assert ring is not None and ring.tracks is not None
    way = ring.begin(ring.tracks)
    way.video(EncodedPacket(b"", 0, 2**70, 1, True))
    way.place(1, 0.0, 0.0)
    way.end()
    with desk.running():
        desk.store.append([ended(0.0, 0.01, epoch=1, moment_id="odd"), ended(moment_id="good")])
        until(lambda: len(desk.told()) == 2)
    states = {event.data.clip_id: event.data.state for event in desk.told()}
    assert states["good"] == "ready"


def test_what_was_pending_before_a_restart_has_failed(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """Whether it had been taken up or not: it is told why, once, and no file of another epoch is taken for it."""
    first = desk.writer()
    desk.store.append([ended(moment_id="taken up")])
    first._planner.next(0)
    desk.store.append([ended(moment_id="unseen")])
    filled(desk, fill, video)
    for _ in range(2):
        with desk.running() as writer:
            until(lambda: len(desk.told()) == 2 and writer.waiting == 0)
    assert {event.data.clip_id for event in desk.told()} == {"taken up", "unseen"}
    assert {event.data.reason for event in desk.told()} == {RESTARTED}
    assert not desk.folder.path.exists()


def test_an_event_that_a_crash_kept_back_is_told_after_it(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """The file was complete: it is no failure, and nothing is told twice."""
    filled(desk, fill, video)
    with desk.running():
        desk.store.append([ended(moment_id="m1")])
        until(lambda: bool(desk.told()))
    record = desk.store.clips.find("m1")
    assert record is not None
    desk.store.clips.save(type(record)(record.data, record.created_s, told=False))
    with desk.running():
        until(lambda: bool((known := desk.store.clips.find("m1")) and known.told))
    assert desk.only().data.state == "ready"


def test_half_a_file_is_swept_away(desk: Desk, until: Until) -> None:
    """What a crash left has no clip's name, and goes."""
    desk.folder.path.mkdir()
    (desk.folder.path / "m1.clip.part").write_bytes(b"half")
    with desk.running():
        until(lambda: not list(desk.folder.path.iterdir()))


def test_the_oldest_clips_go_for_newer_ones(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """So that all of them together stay within bounds; whoever reads one reads it to its end."""
    filled(desk, fill, video)
    with desk.running():
        desk.store.append([ended(moment_id="first")])
        until(lambda: bool(desk.told()))
        size_bytes = desk.only().data.bytes or 0
    whole = desk.folder.video("first", "mp4").read_bytes()
    desk.retention = Retention(2 * size_bytes + size_bytes // 2, 1e9)
    with desk.running(), desk.folder.video("first", "mp4").open("rb") as reading:
        assert len(reading.read(100)) == 100
        for name in ("second", "third"):
            desk.now_s += 1
            desk.store.append([ended(moment_id=name)])
        until(lambda: (known := desk.store.clips.find("first")) is not None and known.data.state == "removed")
        assert not desk.folder.video("first", "mp4").exists() and not desk.folder.thumbnail("first").exists()
        assert whole[100:] == reading.read()
    removed = desk.store.clips.find("first")
    assert removed is not None and "raise clips.max_bytes" in (removed.data.reason or "")
    assert desk.folder.video("second", "mp4").exists() and desk.folder.video("third", "mp4").exists()


def test_old_clips_go(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """However few there are."""
    filled(desk, fill, video)
    desk.retention = Retention(1 << 30, 3600.0)
    with desk.running():
        desk.store.append([ended(moment_id="m1")])
        until(lambda: bool(desk.told()))
        desk.now_s += 3700
        until(lambda: not desk.folder.video("m1", "mp4").exists())
    record = desk.store.clips.find("m1")
    assert record is not None and "clips.max_age" in (record.data.reason or "")


def test_stopping_cuts_what_waits(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent]
) -> None:
    """The moments that end because the service stops get their clips, as far as the video goes."""
    whole, ring = Rings(64 << 20).ring("other"), desk.rings.ring("pitch")
    assert whole is not None and ring is not None
    selection = fill(video, whole).select(0, 0.0, 99.0)
    assert selection is not None
    way = ring.begin(selection.tracks)
    for packet in selection.video:
        way.video(packet)
    way.place(0, selection.offset_s, 0.0)
    writer = desk.writer()
    writer.start()
    desk.store.append([ended(6.0, 8.0)])
    assert writer.stop()
    assert desk.only().data.state == "ready"


def test_the_thumbnail_is_taken_at_the_peak(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """Where the moment says where that is, and else in its middle."""
    filled(desk, fill, video)
    peak = Instant(time=None, media_time_s=3.4, final=True)
    with desk.running():
        desk.store.append([ended(moment_id="peak", peak=peak), ended(moment_id="middle")])
        until(lambda: len(desk.told()) == 2)
    for name, time_s in (("peak", 3.4), ("middle", 4.0)):
        with av.open(str(desk.folder.thumbnail(name)), "r") as picture:
            (frame,) = picture.decode(video=0)
        assert picture_code(rgb(frame)) == round(time_s * FPS)


class SlowFolder(ClipFolder):
    """A disk that keeps everybody waiting."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.go = threading.Event()

    def part(self, clip_id: str) -> Path:
        self.go.wait(20)
        return super().part(clip_id)


def test_a_slow_disk_delays_files_and_nothing_else(
    desk: Desk, fill: FillFactory, video: Path, ended: Callable[..., MomentEvent], until: Until
) -> None:
    """What the log says is still taken in while 200 clips wait for the disk, and none of them is lost."""
    filled(desk, fill, video)
    desk.folder = slow = SlowFolder(desk.folder.path)
    with desk.running() as writer:
        desk.store.append([ended(moment_id=f"m{number}") for number in range(200)])
        until(lambda: writer.waiting == 200)
        desk.store.append([ended(moment_id="late", stream="nothing")])
        until(lambda: desk.store.clips.find("late") is not None)
        assert len(desk.told()) == 0
        slow.go.set()
        until(lambda: len(desk.told()) == 201)
    states = [event.data.state for event in desk.told()]
    assert states.count("ready") == 200


def test_too_many_at_once_are_refused_by_name(desk: Desk, ended: Callable[..., MomentEvent], until: Until) -> None:
    """Memory and time are bounded: the rest is told why."""
    assert desk.rings.ring("pitch") is not None
    with desk.running():
        desk.store.append([ended(moment_id=f"m{number}") for number in range(CAPACITY + 3)])
        until(lambda: len(desk.told()) == 3)
        assert all("cannot keep up" in (event.data.reason or "") for event in desk.told())
        desk.now_s += GRACE_S + 1
