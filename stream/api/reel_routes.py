"""Reels over HTTP. Plain functions, run in worker threads."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from stream.api.bodies import MAX_NAMES, Body, Duration, Name
from stream.api.clip_routes import answer_file, file_route
from stream.api.context import ServiceDep
from stream.api.problems import responses
from stream.cuts.choice import moments_within
from stream.durations import parse_duration_s
from stream.errors import ConfigError
from stream.events import CutOrder, ReelData, ReelWish, rfc3339
from stream.reels.schedule import BEST, MAX_BEST
from stream.store import MomentChoice

router = APIRouter(prefix="/v1/reels", tags=["clips"], responses=responses(401, 422, 500, 503))

ReelId = Annotated[str, Field(max_length=64)]


class NewReel(Body):
    """The best moments of a day, or of the time between two."""

    day: str | None = Field(None, description="today, yesterday or 2025-01-02, in the given time zone")
    since: str | None = Field(None, alias="from", description="RFC 3339; moments that begin then or later")
    until: str | None = Field(None, alias="to", description="RFC 3339; moments that begin before")
    timezone: str = Field("UTC", description="such as Europe/Berlin or +02:00; also of the chapters' times")
    streams: list[Name] | None = Field(None, max_length=MAX_NAMES, description="null for every stream")
    queries: list[Name] | None = Field(None, max_length=MAX_NAMES, description="null for every query")
    min_score: float = Field(0.0, ge=0, le=1)
    best: int = Field(BEST, ge=1, le=MAX_BEST, description="so many at most, those with the highest scores")
    max_length: Duration = None
    order: CutOrder = "time"

    def wish(self) -> ReelWish:
        """What is to be made. Raises ConfigError."""
        times = moments_within(MomentChoice(), self.day, self.since, self.until, self.timezone, time.time())
        length_s = None if self.max_length is None else parse_duration_s(self.max_length)
        if length_s == 0:
            raise ConfigError("must be above 0; leave it out for any length", path="max_length")
        return ReelWish(
            since=None if times.since_s is None else rfc3339(times.since_s),
            until=None if times.until_s is None else rfc3339(times.until_s),
            timezone=self.timezone,
            streams=None if self.streams is None else tuple(self.streams),
            queries=None if self.queries is None else tuple(self.queries),
            min_score=self.min_score,
            best=self.best,
            max_length=length_s,
            order=self.order,
        )


class ReelList(BaseModel):
    """Reels, newest first."""

    reels: list[ReelData]


class ReelChoice(Body):
    """How many reels to answer with. Parameters arrive as text, hence not strict."""

    model_config = ConfigDict(strict=False)

    limit: int = Field(100, ge=1, le=1000)


@router.post("", status_code=202, responses=responses(409, 413, 415))
def add_reel(body: NewReel, service: ServiceDep, response: Response) -> ReelData:
    """Make a reel of the best moments, from their clips; an event says when it is ready."""
    data = service.reels.request(body.wish())
    response.headers["Location"] = f"/v1/reels/{data.reel_id}"
    return data


@router.get("")
def list_reels(choice: Annotated[ReelChoice, Query()], service: ServiceDep) -> ReelList:
    """The newest reels and how they are doing."""
    return ReelList(reels=list(service.reels.newest(choice.limit)))


@router.get("/{reel_id}", responses=responses(404))
def get_reel(reel_id: ReelId, service: ServiceDep) -> ReelData:
    """One reel and how it is doing."""
    return service.reels.get(reel_id)


@router.delete("/{reel_id}", status_code=204, responses=responses(404, 409))
def remove_reel(reel_id: ReelId, service: ServiceDep) -> None:
    """Remove a reel's file, or let it not be made."""
    service.reels.remove(reel_id)


@router.get("/{reel_id}/reel.mp4", **file_route(".mp4"))
def get_mp4(reel_id: ReelId, service: ServiceDep) -> Response:
    """The reel's video, of clips in H.264 and H.265."""
    return answer_file(service.reels.video(reel_id, "mp4"), reel_id, ".mp4")


@router.get("/{reel_id}/reel.webm", **file_route(".webm"))
def get_webm(reel_id: ReelId, service: ServiceDep) -> Response:
    """The reel's video, of clips in VP8 and VP9."""
    return answer_file(service.reels.video(reel_id, "webm"), reel_id, ".webm")
