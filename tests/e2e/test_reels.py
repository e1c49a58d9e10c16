"""A reel of a running service's own moments: made when asked for, told, and played in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clients import Event
from tests.browser import browsing, chromium_is_missing
from tests.e2e.conftest import ServeProcess, listening
from tests.e2e.test_clip_kinds import _PLAY
from tests.media import FPS, coded_pictures, encode_video
from tests.stream.clips.conftest import show
from tests.stream.clips.test_joiner import runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LENGTH_S = 20


def clips_ready(events: list[Event]) -> int:
    return sum(event.kind == "clip.ready" for event in events)


@pytest.mark.skipif(bool(chromium_is_missing()), reason=chromium_is_missing())
async def test_the_best_moments_become_one_file(
    eager_model: Path, serve: Callable[..., ServeProcess], tmp_path: Path
) -> None:
    """Of two cameras alike, with B-frames and sound: all is decoded, and shown by a browser straight from the API."""
    film = tmp_path / "film.mp4"
    options = {"preset": "veryfast"}
    encode_video(film, coded_pictures(LENGTH_S * FPS), b_frames=2, audio=True, options=options)
    query = {
        "text": "the yellow team scores a goal",
        "threshold": {"enter": 0.1, "exit": 0.05},
        "max_duration": "3s",
        "clip": {"pre_roll": "500ms", "post_roll": "500ms"},
    }
    service = serve(model=str(eager_model), streams={"left": str(film), "right": str(film)}, queries={"goal": query})
    async with listening(service.url) as heard:
        await heard.until(lambda events: clips_ready(events) >= 2)
        wished = await heard.client.add_reel(best=2)
        await heard.until(lambda events: any(event.reel for event in events))
        reel = await heard.client.reel(wished.reel_id)
        assert reel.state == "ready" and reel.url is not None, reel.reason
        await heard.client.save_reel(reel.reel_id, tmp_path / "reel.mp4")
    shown = show(tmp_path / "reel.mp4")
    assert reel.length_s == pytest.approx(len(shown.codes) / FPS, abs=0.02)
    assert shown.sound_s == pytest.approx(reel.length_s, abs=0.2)
    assert {chapter.stream for chapter in reel.chapters} == {"left", "right"}
    assert all(first % FPS == 0 for first, _ in runs(shown.codes))
    async with browsing(f"{service.url}/healthz") as page:
        played = await page.evaluate(_PLAY, reel.url)
    assert (played["first"], played["last"]) == (shown.codes[0], shown.codes[-1]) and played["again"] == shown.codes[0]
    assert set(played["seen"]) <= set(shown.codes) and len(played["seen"]) > FPS
    assert played["duration_s"] == pytest.approx(reel.length_s, abs=0.1)
