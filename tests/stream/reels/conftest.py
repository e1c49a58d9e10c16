"""A day that was filmed: moments in the log, and real clips of them in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stream.clips.clocks import Clocks
from stream.clips.cutter import begins_s, cut
from stream.clips.desk import ClipDesk
from stream.clips.folder import ClipFolder
from stream.clips.retention import Retention
from stream.clips.ring import PacketRing
from stream.clips.rings import Rings
from stream.clips.writer import ClipWriter
from stream.events import ReelData, ReelWish
from stream.metrics import Metrics
from stream.reels.desk import ReelDesk
from stream.reels.maker import ReelMaker
from stream.reels.place import ReelPlace
from stream.reels.schedule import ReelSettings
from stream.store import ClipRecord, Store
from tests.conftest import EPOCH_S
from tests.media import FPS, coded_pictures, encode_video
from tests.stream.clips.conftest import Shown, fill, show
from tests.stream.cuts.conftest import clip_of, instant

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

__all__ = ["fill"]


@dataclass
class Clock:
    """Both times, as a test sets them."""

    now_s: float = EPOCH_S + 3600

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now_s, lambda: self.now_s)


@dataclass
class Filmed:
    """What a reel is made of, and what makes it. Nothing happens between two rounds."""

    store: Store
    folder: ClipFolder
    moment: MomentFactory
    rings: dict[str, PacketRing]
    clock: Clock = field(default_factory=Clock)
    retention: Retention = field(default_factory=lambda: Retention(1 << 30, 7 * 86400.0))
    schedules: list[ReelSettings] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """As a service does when it starts."""
        self.metrics = Metrics()
        rings, clocks = Rings(1 << 20), self.clock.clocks()
        writer = ClipWriter(self.store, rings, self.folder, self.retention, self.metrics, lambda query: None)
        place = ReelPlace(self.folder)
        clips = ClipDesk(self.store, rings, self.folder, writer)
        self.maker = ReelMaker(self.store, clips, place, self.retention, self.metrics, self.schedules, clocks)
        self.desk = ReelDesk(self.store, place, self.maker)

    def add(self, name: str, start_s: float, end_s: float, *, score: float = 0.5, **about: Any) -> None:
        """A moment with a second before it and after it in its clip."""
        self.log(name, start_s, end_s, score=score, **about)
        self.cut(name, name, max(0.0, start_s - 1), end_s + 1, about.get("stream", "pitch"))

    def log(self, name: str, start_s: float, end_s: float, **about: Any) -> None:
        """A moment without a clip."""
        span = {"start": instant(start_s), "end": instant(end_s)}
        self.store.append([self.moment("ended", moment_id=name, **span, **about)])

    def cut(self, name: str, clip_id: str, start_s: float, end_s: float, stream: str = "pitch") -> None:
        selection = self.rings[stream].select(0, start_s, end_s)
        assert selection is not None
        self.folder.path.mkdir(exist_ok=True)
        file = self.folder.video(clip_id, "mp4")
        cut(selection, file)
        data = clip_of(name, begins_s(selection), selection.end_s, clip_id=clip_id, stream=stream)
        data = data.model_copy(update={"bytes": file.stat().st_size})
        self.store.clips.add([ClipRecord(data, self.clock.now_s, told=True)])

    def make(self, **wish: Any) -> ReelData:
        """A reel, as it is after one round."""
        reel = self.desk.request(ReelWish(**{"best": 10, **wish}))
        self.maker.round()
        return self.desk.get(reel.reel_id)

    def show(self, reel: ReelData) -> Shown:
        path = self.desk.video(reel.reel_id, "mp4")
        assert isinstance(path, Path)
        return show(path)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """30 s of numbered pictures on one stream, with sound; larger ones without on another."""
    folder = tmp_path_factory.mktemp("films")
    options = {"preset": "veryfast"}
    return {
        "pitch": encode_video(folder / "a.mp4", coded_pictures(30 * FPS), b_frames=2, audio=True, options=options),
        "gate": encode_video(folder / "b.mp4", coded_pictures(5 * FPS, 320, 192)),
    }


@pytest.fixture
def filmed(
    store: Store, tmp_path: Path, moment: MomentFactory, films: dict[str, Path], fill: Callable[..., PacketRing]
) -> Iterator[Filmed]:
    yield Filmed(store, ClipFolder(tmp_path / "clips"), moment, {name: fill(path) for name, path in films.items()})
