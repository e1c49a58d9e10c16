"""Moments with clips, as the log has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from stream.cuts.choice import Cut
from stream.events import ClipData, Instant, rfc3339
from tests.conftest import EPOCH_S

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

CutFactory = Callable[..., Cut]


def instant(media_time_s: float) -> Instant:
    return Instant(time=rfc3339(EPOCH_S + media_time_s), media_time_s=media_time_s, final=True)


def clip_of(
    moment_id: str, start_s: float, end_s: float, *, clip_id: str | None = None, state: str = "ready", **about: Any
) -> ClipData:
    """A clip of a moment, of 25 pictures per second and with sound unless it is said otherwise."""
    there = state == "ready"
    data: dict[str, Any] = {
        "clip_id": clip_id or moment_id,
        "moment_id": moment_id,
        "stream": "pitch",
        "query": "goal",
        "state": state,
        "reason": None if there else "No video.",
        "url": f"/v1/moments/{moment_id}/clip.mp4" if there else None,
        "thumbnail_url": f"/v1/moments/{moment_id}/thumbnail.jpg" if there else None,
        "container": "mp4" if there else None,
        "start": instant(start_s),
        "end": instant(end_s),
        "bytes": 1000 if there else None,
        "picture_rate_hz": 25.0 if there else None,
        "has_sound": True if there else None,
        **about,
    }
    return ClipData.model_validate(data)


@pytest.fixture
def cut(moment: MomentFactory) -> CutFactory:
    """A moment from one second to another, with the clips that are given."""

    def make(start_s: float, end_s: float, *clips: ClipData, **about: Any) -> Cut:
        ended = moment("ended", start=instant(start_s), end=instant(end_s), reason="completed", **about)
        return Cut(ended.data, clips)

    return make
