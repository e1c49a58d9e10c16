"""Real videos that nobody here made go through the whole source. `tests/fetch_videos.sh` brings them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stream.sources import SourceState, Surroundings, open_source
from stream.types import Picture
from tests.servers import ServerProcess, rtsp_folder_server
from tests.stream.sources.conftest import Watcher

VIDEOS = Path(__file__).parents[2] / ".videos"


def real_video(name: str) -> Path:
    path = VIDEOS / name
    if not path.exists():
        pytest.skip(f"{name} is not here; tests/fetch_videos.sh brings it")
    return path


@pytest.mark.parametrize(
    ("name", "size", "pictures", "seconds", "lost"),
    [
        # One keyframe in all, and sound.
        ("bigbuckbunny.mp4", (720, 1280), 132, 5.28, 0),
        # B-frames.
        ("bikes.mp4", (272, 640), 250, 10.0, 0),
        # One keyframe that cannot be decoded, B-frames stamped in the order of sending, and sound.
        ("box.mp4", (480, 640), 456, 15.2, 3),
    ],
)
def test_a_real_video_is_read_to_its_end(
    name: str, size: tuple[int, int], pictures: int, seconds: float, lost: int
) -> None:
    """All but `lost` of the pictures come, evenly over the video's length; those the sampler wants become RGB."""
    times_s: list[float] = []
    states: list[SourceState] = []

    def wants(media_time_s: float, epoch: int) -> bool:
        times_s.append(media_time_s)
        return media_time_s >= len(taken) * 2.0

    taken: list[Picture] = []
    source = open_source(str(real_video(name)), Surroundings(wants=wants, on_state=states.append), pace="fast")
    for picture in source.pictures():
        taken.append(picture)

    assert (states[-1].name, states[-1].reason) == ("ended", "")
    assert pictures - lost <= len(times_s) <= pictures
    assert times_s[-1] == pytest.approx(seconds, abs=0.1)
    assert max(np.diff(times_s)) < 0.15
    assert len(taken) == int(times_s[-1] // 2) + 1
    for picture in taken:
        image = picture.to_rgb()
        assert image.shape == (*size, 3)
        assert image.std() > 10, "a grey picture is a damaged one"


def test_a_real_video_with_one_keyframe_comes_over_rtsp(
    start_server: Callable[[ServerProcess], ServerProcess], watcher: Watcher
) -> None:
    """Joining a stream at its only keyframe shows its pictures from the first on."""
    path = real_video("bigbuckbunny.mp4")
    server = start_server(rtsp_folder_server(path.parent))
    source = open_source(server.url(path.name), Surroundings(on_state=watcher.on_state))
    watcher.watch(source)
    watcher.wait_for(lambda w: len(w.pictures) >= 30)
    watcher.stop()
    steps_s = np.diff([picture.media_time_s for picture in watcher.pictures])
    np.testing.assert_allclose(steps_s, 0.04, atol=0.002)
    assert source.stats.drops.total() == 0
    assert all(picture.to_rgb().std() > 10 for picture in watcher.pictures[5:30:5])
