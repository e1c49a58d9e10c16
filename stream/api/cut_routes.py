"""Lists of cuts over HTTP. A plain function, run in a worker thread."""

from __future__ import annotations

import re
import time
from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from stream.api.bodies import MAX_NAMES, Body, Name
from stream.api.context import ServiceDep
from stream.api.problems import responses
from stream.cuts.choice import MAX_CUTS, Cut, find_cuts, moments_within, usual_rate_hz
from stream.cuts.days import parse_zone
from stream.cuts.edl import MAX_EVENTS, Timecode, count_events, edl
from stream.cuts.table import table
from stream.cuts.timecode import nearest_rate, parse_rate
from stream.errors import ConfigError
from stream.events import ClipData, CutOrder, Instant, Score
from stream.store import MomentChoice
from stream.types import Clock

router = APIRouter(tags=["clips"], responses=responses(401, 422, 500, 503))

DEFAULT_RATE: Final = "25"
"""Where no clip says how many pictures per second there are."""
_TEXT: Final = {"schema": {"type": "string"}}


class CutsChoice(Body):
    """Which moments, and how they are listed. Parameters arrive as text, hence not strict."""

    model_config = ConfigDict(strict=False)

    stream: list[Name] = Field([], max_length=MAX_NAMES, description="may be repeated; none for all")
    query: list[Name] = Field([], max_length=MAX_NAMES, description="may be repeated; none for all")
    day: str | None = Field(None, description="today, yesterday or 2025-01-02, in the given time zone")
    since: str | None = Field(None, alias="from", description="RFC 3339; moments that begin then or later")
    until: str | None = Field(None, alias="to", description="RFC 3339; moments that begin before")
    timezone: str = Field("UTC", description="such as Europe/Berlin or +02:00")
    min_score: float = Field(0.0, ge=0, le=1)
    best: int | None = Field(None, ge=1, le=MAX_CUTS, description="only so many, those with the highest scores")
    order: CutOrder = "time"
    format: Literal["json", "csv", "edl"] = "json"
    rate: str | None = Field(None, description="of an EDL: pictures per second; that of most clips where not given")
    timecode: Timecode = Field("clip", description="of an EDL's sources: of the clips' files, or the time of day")

    def cuts(self, service: ServiceDep) -> list[Cut]:
        """What was chosen. Raises ConfigError."""
        chosen = MomentChoice(
            streams=self.stream or None, queries=self.query or None, min_score=self.min_score, best=self.best
        )
        chosen = moments_within(chosen, self.day, self.since, self.until, self.timezone, time.time())
        return find_cuts(service.store, chosen, self.order)

    @property
    def title(self) -> str:
        """What a file of the list is called, less its suffix."""
        when = self.day or "-".join(part for part in (self.since, self.until) if part)
        return re.sub(r"[^A-Za-z0-9_-]+", "", f"cuts-{when}").rstrip("-")


class CutView(BaseModel):
    """A moment that has ended, with its files."""

    moment_id: str
    stream: str
    query: str
    text: str
    score: Score
    epoch: int
    clock: Clock
    start: Instant
    end: Instant
    clips: list[ClipData] = Field(description="in the order of time; several where it was cut in parts")

    @classmethod
    def of(cls, cut: Cut) -> Self:
        """What the API shows of a cut."""
        return cls.model_validate({**dict(cut.moment), "clips": list(cut.clips)})


class CutList(BaseModel):
    """The cuts that were asked for, in the order that was asked for."""

    cuts: list[CutView]


@router.get(
    "/v1/cuts",
    response_model=CutList,
    responses={200: {"content": {"text/csv": _TEXT, "text/plain": _TEXT}, "description": "in the format asked for"}},
)
def list_cuts(choice: Annotated[CutsChoice, Query()], service: ServiceDep) -> CutList | Response:
    """The moments of a day, or of any time, with their clips: for programs, spreadsheets and editing suites."""
    cuts = choice.cuts(service)
    if choice.format == "json":
        return CutList(cuts=[CutView.of(cut) for cut in cuts])
    if choice.format == "csv":
        return _file(table(cuts), "text/csv", f"{choice.title}.csv")
    return _file(_edl(cuts, choice), "text/plain", f"{choice.title}.edl")


def _edl(cuts: list[Cut], choice: CutsChoice) -> str:
    events = count_events(cuts, choice.timecode)
    if events > MAX_EVENTS:
        problem = f"an EDL holds {MAX_EVENTS} events and these are {events}; ask for the best ones, or a shorter time"
        raise ConfigError(problem, path="best", code="too_many")
    measured = usual_rate_hz(cuts)
    if choice.rate is not None:
        rate = parse_rate(choice.rate)
    else:
        rate = parse_rate(DEFAULT_RATE) if measured is None else nearest_rate(measured)
    return edl(f"r2stream {choice.title}", cuts, rate, choice.timecode, parse_zone(choice.timezone))


def _file(text: str, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=f"{media_type}; charset=utf-8", headers=headers)
