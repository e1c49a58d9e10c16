"""With a disk, a ring reaches further back; without one that works, it is what it was."""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.clips.overflow import Overflow, RingDisk
from stream.clips.packets import EncodedPacket
from stream.clips.ring import SLOW, PacketRing
from stream.clips.segments import OpenFile, Segments
from stream.clips.selecting import PieceError
from stream.clips.workers import Task
from tests.stream.clips.test_ring import ROOMY, SIZE, STEP, VIDEO, WITH_SOUND, feed, numbers, packet, s

GOP_BYTES = 10 * (SIZE + 200)
MEMORY = 4 * GOP_BYTES


@dataclass
class Hand:
    """Does what the disk's thread would do, when it is told to."""

    tasks: deque[Task] = field(default_factory=deque)
    capacity: int = 1000

    def have_done(self, task: Task) -> bool:
        if len(self.tasks) >= self.capacity:
            return False
        self.tasks.append(task)
        return True

    def work(self, count: int = 1 << 30) -> None:
        while self.tasks and count:
            self.tasks.popleft()()
            count -= 1


@dataclass
class Spilling:
    """A ring whose disk is worked by hand."""

    folder: Path
    max_bytes: int = 1 << 30
    memory: int = MEMORY
    max_s: float = 1e9
    open_file: OpenFile = FileIO
    hand: Hand = field(default_factory=Hand)

    def __post_init__(self) -> None:
        segments = Segments(self.folder, "pitch.0", self.max_bytes, lambda *how: self.open_file(*how))
        self.disk = RingDisk("pitch", segments, self.hand.have_done)
        self.ring = PacketRing(max_bytes=self.memory, max_s=self.max_s, disk=self.disk)
        self.way = self.ring.begin(VIDEO)

    def feed(self, count: int, first: int = 0, *, work: bool = True) -> None:
        """Pictures of one connection whose first is at media time 0."""
        for number in range(first, first + count):
            self.way.video(packet(number))
            self.way.place(0, 0.0, 0.0)
            if work:
                self.hand.work()

    @property
    def files_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.iterdir()) if self.folder.exists() else 0


def test_what_memory_has_no_room_for_is_found_on_the_disk(tmp_path: Path) -> None:
    """A piece may lie in memory, on the disk, or in both; nobody who asks for it can tell."""
    spilling = Spilling(tmp_path)
    spilling.feed(500)
    ring = spilling.ring
    assert ring.bytes <= MEMORY and ring.held_s == pytest.approx(s(499))
    assert ring.drops == {} and ring.disk_problem is None
    assert ring.disk_bytes == spilling.files_bytes > 400 * SIZE
    for first, last in ((0, 5), (123, 140), (440, 480), (95, 499), (480, 490)):
        found = ring.select(0, s(first) + 0.01, s(last))
        assert numbers(found) == list(range(first // 10 * 10, last))
        assert found is not None and found.start_s == pytest.approx(s(first))
    assert ring.media_time(0.0) is None and ring.is_complete(0, s(400)) and not ring.is_complete(0, s(600))


def test_the_disk_has_bounds_too(tmp_path: Path) -> None:
    """The oldest files go for newer ones, and nothing is counted that anybody would miss."""
    spilling = Spilling(tmp_path, max_bytes=20 * GOP_BYTES)
    spilling.feed(1000)
    ring = spilling.ring
    assert spilling.files_bytes <= 20 * GOP_BYTES
    found = ring.select(0, 0.0, s(1000))
    first = numbers(found)[0]
    assert numbers(found) == list(range(first, 1000)) and first % 10 == 0 and 740 <= first <= 820
    assert ring.drops == {"old": first}
    assert ring.held_s == pytest.approx(s(1000 - first), abs=s(1))


def test_seconds_and_gops_are_bounds_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small they are, and however short."""
    monkeypatch.setattr("stream.clips.overflow.MAX_STORED_S", 8.0)
    spilling = Spilling(tmp_path / "a", max_bytes=40 * GOP_BYTES)
    spilling.feed(1000)
    assert 6.0 <= spilling.ring.stored[1] <= 9.0
    monkeypatch.setattr("stream.clips.overflow.MAX_STORED_GOPS", 12)
    spilling = Spilling(tmp_path / "b", max_bytes=40 * GOP_BYTES)
    spilling.feed(1000)
    assert 8 <= spilling.ring.stored[0] <= 14


def test_a_disk_that_is_too_slow_costs_old_packets_alone(tmp_path: Path) -> None:
    """Memory keeps its bounds and the newest packets; a hole is a hole, and no piece reaches across it."""
    spilling = Spilling(tmp_path)
    spilling.feed(100)
    spilling.feed(100, 100, work=False)
    ring = spilling.ring
    assert ring.bytes <= MEMORY and ring.disk_problem == SLOW
    lost = ring.drops["disk_slow"]
    assert lost >= 50 and ring.drops == {"disk_slow": lost}
    spilling.feed(100, 200)
    assert ring.disk_problem is None
    old, new = numbers(ring.select(0, 0.0, s(90))), numbers(ring.select(0, s(210), s(300)))
    assert old[0] == 0 and new[-1] == 299
    whole = numbers(ring.select(0, 0.0, s(300)))
    assert whole == list(range(whole[0], whole[-1] + 1)), "one side of the hole"
    assert len(whole) == max(len(numbers(ring.select(0, 0.0, s(150)))), 300 - whole[0])


def test_a_queue_that_is_full_is_a_slow_disk(tmp_path: Path) -> None:
    """What waits is bounded in number as well."""
    spilling = Spilling(tmp_path, hand=Hand(capacity=0))
    spilling.feed(200)
    assert set(spilling.ring.drops) == {"disk_slow"} and numbers(spilling.ring.select(0, s(190), s(200)))


def full(path: Path, mode: str) -> FileIO:
    """A file on a disk without room, as the kernel has it."""
    return FileIO("/dev/full", mode)


def test_a_disk_that_is_full_is_a_reason(tmp_path: Path) -> None:
    """Clips from memory go on; what is lost is counted by its cause; and when there is room again, it is used."""
    spilling = Spilling(tmp_path, open_file=full)
    spilling.feed(200)
    ring = spilling.ring
    assert ring.disk_problem is not None and "No space is left" in ring.disk_problem
    assert "disk_per_stream" in ring.disk_problem and str(tmp_path) in ring.disk_problem
    assert set(ring.drops) == {"disk_full"}
    assert numbers(ring.select(0, s(185), s(200))) == list(range(180, 200))
    spilling.open_file = FileIO
    spilling.feed(200, 200)
    assert ring.disk_problem is None and numbers(ring.select(0, s(250), s(260))) == list(range(250, 260))


def test_when_others_fill_the_disk_the_oldest_makes_room(tmp_path: Path) -> None:
    """The newest is what counts, however little may be kept."""
    room = 30 * GOP_BYTES

    class Narrow(FileIO):
        def write(self, data: object) -> int:
            assert isinstance(data, memoryview)
            used = sum(file.stat().st_size for file in tmp_path.iterdir())
            if used + len(data) > room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    spilling = Spilling(tmp_path, max_bytes=100 * GOP_BYTES, open_file=Narrow)
    spilling.feed(400)
    assert spilling.ring.drops.keys() == {"old"} and spilling.ring.disk_problem is None
    room = 10 * GOP_BYTES
    spilling.feed(200, 400)
    first = numbers(spilling.ring.select(0, 0.0, s(600)))[0]
    assert 450 <= first <= 520 and spilling.ring.drops == {"old": first}


def test_a_folder_that_cannot_be_written_is_a_reason(tmp_path: Path) -> None:
    """With what the system says about it."""
    (tmp_path / "packets").write_text("no folder")
    spilling = Spilling(tmp_path / "packets")
    spilling.feed(200)
    assert spilling.ring.disk_problem is not None and "check the disk" in spilling.ring.disk_problem
    assert set(spilling.ring.drops) == {"disk_error"}


def test_a_file_that_is_gone_costs_what_it_held(tmp_path: Path) -> None:
    """A piece begins behind it; a file that cannot be read is not tried again."""
    spilling = Spilling(tmp_path, max_bytes=32 * 3 * GOP_BYTES)
    spilling.feed(400)
    files = sorted(tmp_path.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    files[3].write_bytes(b"")
    found = numbers(spilling.ring.select(0, 0.0, s(400)))
    assert found[0] > 100 and found == list(range(found[0], 400))
    assert spilling.ring.drops == {"disk_error": found[0]}
    piece = spilling.ring.piece(0, 0.0, s(400))
    files[-2].unlink()
    found = numbers(piece.read())
    assert found[0] > 200 and found == list(range(found[0], 400))


def test_a_piece_is_what_was_held_when_it_was_asked_for(tmp_path: Path) -> None:
    """Though memory lets go of it before it is read."""
    spilling = Spilling(tmp_path, hand=Hand(capacity=0))
    spilling.feed(30)
    piece = spilling.ring.piece(0, 0.0, s(30))
    spilling.feed(200, 30)
    assert spilling.ring.select(0, 0.0, s(30)) is None
    assert numbers(piece.read()) == list(range(30))


def test_a_piece_that_is_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have to be taken into memory at once."""
    monkeypatch.setattr("stream.clips.selecting.MAX_READ_BYTES", 20 * GOP_BYTES)
    spilling = Spilling(tmp_path)
    spilling.feed(400)
    assert len(numbers(spilling.ring.select(0, s(100), s(200)))) == 100
    with pytest.raises(PieceError, match="ask for a shorter piece"):
        spilling.ring.select(0, 0.0, s(400))


Sent = list[tuple[str, int]]
KINDS = st.lists(st.tuples(st.sampled_from("kkkkppppppppaaaaaaje"), st.integers(4, 300)), min_size=40, max_size=150)


def send(rings: list[PacketRing], sent: Sent, after_each: Callable[[], None]) -> Iterator[int]:
    """The same to several rings: keyframes, pictures, sound, jumps and reconnects, where pictures come first; yields
    after each which epoch it is."""
    ways, stamp, epoch, is_silent = [ring.begin(WITH_SOUND) for ring in rings], 0, 0, True
    for number, (what, size) in enumerate(sent):
        stamp += STEP
        if what == "j":
            stamp, epoch = stamp + 5000, epoch + 1
        elif what == "e":
            for way in ways:
                way.end()
            ways, epoch = [ring.begin(WITH_SOUND) for ring in rings], epoch + 1
        is_silent = what in "je" or (is_silent and what == "a")
        for way in ways:
            if what in "kp":
                way.video(packet(number, pts=stamp, keyframe=what == "k", size=size))
                way.place(epoch, stamp / 100, stamp / 100)
            elif what == "a" and not is_silent:
                way.audio(EncodedPacket(bytes(size), stamp * 10, None, 40, True))
        after_each()
        yield epoch


@settings(deadline=None, max_examples=80)
@given(sent=KINDS, memory=st.integers(4000, 12_000), spans=st.lists(st.tuples(st.integers(), st.integers(0, 300))))
def test_with_room_on_the_disk_nothing_tells_where_packets_are(
    tmp_path_factory: pytest.TempPathFactory, sent: Sent, memory: int, spans: list[tuple[int, int]]
) -> None:
    """A ring with little memory and a disk answers as one that has memory for everything, packet by packet, unless a
    single GOP does not fit into memory."""
    plain = PacketRing(max_bytes=ROOMY, max_s=1e9)
    spilling = Spilling(tmp_path_factory.mktemp("ring"), memory=memory)
    epochs = list(send([plain, spilling.ring], sent, spilling.hand.work))
    assert spilling.ring.bytes <= memory
    if spilling.ring.drops != plain.drops:
        assert set(spilling.ring.drops) <= {"old", "no_keyframe", "discontinuity", "disk_slow"}
        return
    assert spilling.ring.held_s == plain.held_s
    for epoch in set(epochs):
        for start, length in [(0, 1 << 30), *((start % (STEP * (len(sent) + 1)), length) for start, length in spans)]:
            span = (start / 100, (start + length) / 100)
            assert spilling.ring.select(epoch, *span) == plain.select(epoch, *span)
            assert spilling.ring.is_complete(epoch, span[1]) == plain.is_complete(epoch, span[1])


@settings(deadline=None, max_examples=80)
@given(
    sent=KINDS,
    memory=st.integers(2000, 8000),
    disk=st.integers(2000, 30_000),
    weather=st.lists(st.sampled_from(["fine", "fine", "slow", "full", "broken"]), min_size=1, max_size=30),
)
def test_whatever_the_disk_does_the_bounds_hold(
    tmp_path_factory: pytest.TempPathFactory, sent: Sent, memory: int, disk: int, weather: list[str]
) -> None:
    """Memory and files keep their bounds; a piece is always a run of what was sent, beginning with a keyframe; every
    packet that is not held is counted."""
    plain = PacketRing(max_bytes=ROOMY, max_s=1e9)
    spilling = Spilling(tmp_path_factory.mktemp("ring"), memory=memory, max_bytes=disk)
    now = [""]

    class Fickle(FileIO):
        def write(self, data: object) -> int:
            assert isinstance(data, memoryview)
            if now[0] in ("full", "broken"):
                super().write(data[: len(data) // 2])
                raise OSError(errno.ENOSPC if now[0] == "full" else errno.EIO, now[0])
            return super().write(data)

    spilling.open_file = Fickle

    def go() -> None:
        now[0] = weather[len(spilling.hand.tasks) % len(weather)]
        if now[0] != "slow":
            spilling.hand.work(2)
        assert spilling.ring.bytes <= memory and spilling.files_bytes == spilling.ring.disk_bytes <= disk

    epochs = list(send([plain, spilling.ring], sent, go))
    for epoch in set(epochs):
        found, whole = spilling.ring.select(epoch, -1.0, 1e6), plain.select(epoch, -1.0, 1e6)
        if found is None:
            continue
        assert whole is not None and found.video[0].is_keyframe
        at = whole.video.index(found.video[0])
        assert found.video == whole.video[at : at + len(found.video)]
    held = [kept for epoch in set(epochs) for kept in ((spilling.ring.select(epoch, -1.0, 1e6)),) if kept]
    assert spilling.ring.held_s >= max((kept.end_s - kept.start_s for kept in held), default=0.0) - s(2)
    spilling.ring.clear()
    now[0] = "fine"
    spilling.hand.work()
    assert spilling.ring.bytes == spilling.ring.held_s == spilling.files_bytes == 0


def test_the_thread_writes_and_leaves_nothing_behind(tmp_path: Path, until: Callable[..., None]) -> None:
    """What a crash left goes at the start, what this process wrote at its end; a ring that is let go gives its space
    back at once."""
    tmp_path.joinpath("old.0.0.packets").write_bytes(b"left by a crash")
    overflow = Overflow(tmp_path, 1 << 30)
    overflow.start()
    pitch, gate = (PacketRing(max_bytes=MEMORY, disk=overflow.disk(name)) for name in ("pitch", "gate"))

    def slowly(ring: PacketRing) -> None:
        def written(count: int) -> bool:
            return ring.disk_bytes >= count * SIZE

        way = ring.begin(VIDEO)
        way.place(0, 0.0, 0.0)
        for number in range(200):
            way.video(packet(number))
            until(partial(written, number - 30))

    slowly(pitch)
    slowly(gate)
    assert numbers(pitch.select(0, 0.0, s(150))) == list(range(150))
    assert {file.name.split(".")[0] for file in tmp_path.iterdir()} == {"pitch", "gate"}
    assert pitch.clear()
    until(lambda: {file.name.split(".")[0] for file in tmp_path.iterdir()} == {"gate"})
    assert overflow.stop(5.0) and not list(tmp_path.iterdir())
    slow = feed(PacketRing(max_bytes=MEMORY, disk=overflow.disk("late")), 200)
    assert slow._ring.drops.keys() == {"disk_slow"}, "nobody writes any more"


def test_a_disk_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    """The source goes on at its own pace, and memory is what it was."""
    hangs, go = threading.Event(), threading.Event()

    def hang(path: Path, mode: str) -> FileIO:
        hangs.set()
        go.wait(20)
        return FileIO(path, mode)

    overflow = Overflow(tmp_path, 1 << 30, hang)
    overflow.start()
    ring = PacketRing(max_bytes=MEMORY, disk=overflow.disk("pitch"))
    feed(ring, 39)
    assert hangs.wait(20)
    feed(ring, 1000, epoch=1)
    assert ring.bytes <= MEMORY and ring.disk_problem == SLOW
    assert numbers(ring.select(1, s(990), s(1000))) == list(range(990, 1000))
    assert not overflow.stop(0.05)
    go.set()


def test_no_disk_is_asked_for_with_zero(tmp_path: Path) -> None:
    """And no folder is made."""
    overflow = Overflow(tmp_path / "packets", 0)
    overflow.start()
    assert overflow.disk("pitch") is None
    assert overflow.stop(1.0) and not (tmp_path / "packets").exists()
