"""The event log over HTTP, and the probes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from stream.api.bodies import EventChoice
from stream.api.context import ServiceDep
from stream.api.problems import problem, problem_response, responses
from stream.events import Event, MomentEvent, with_clip
from stream.metrics import CONTENT_TYPE
from stream.store import Page

router = APIRouter(responses=responses(401, 500, 503))


class EventList(BaseModel):
    """Some events of the log, oldest first."""

    events: list[Event]
    next: int = Field(description="pass it as `after` for the next page; equal to `latest` when there is nothing more")
    latest: int = Field(description="cursor of the newest event of the log")
    missed: bool = Field(description="events after the given cursor were already removed by retention")


class Health(BaseModel):
    """The process answers."""

    status: str


class Ready(BaseModel):
    """Events can be expected."""

    ready: bool
    warnings: tuple[str, ...] = Field((), description="what should be looked at, though events can be expected")


def check_cursor(after: int, latest: int) -> dict[str, object] | None:
    """The problem with a cursor that this log never gave out; waiting for it would be waiting for ever."""
    if after <= latest:
        return None
    detail = f"The log ends at cursor {latest}, so {after} is from another log; start again from 0 or from {latest}."
    return problem(410, "cursor_ahead", detail)


@router.get("/v1/events", tags=["events"], response_model=EventList, responses=responses(410, 422))
def list_events(choice: Annotated[EventChoice, Query()], service: ServiceDep) -> EventList | Response:
    """Events after a cursor, oldest first. Follow `next` for more, or open the websocket to be told."""
    page: Page = service.store.read(choice.after, choice.limit, choice.stream or None, choice.query or None)
    ahead = check_cursor(choice.after, page.latest)
    if ahead is not None:
        return problem_response(ahead)
    return EventList(events=list(page.events), next=page.next, latest=page.latest, missed=page.missed)


@router.get("/v1/moments/{moment_id}", tags=["events"], responses=responses(404, 422))
def get_moment(moment_id: Annotated[str, Field(max_length=64)], service: ServiceDep) -> Event:
    """The newest event about a moment, with what has become of its clip since."""
    event, clip = service.store.moment(moment_id), service.store.clips.find(moment_id)
    return with_clip(event, clip.data) if clip is not None and isinstance(event, MomentEvent) else event


@router.get("/healthz", tags=["service"])
async def healthz() -> Health:
    """The process lives."""
    return Health(status="ok")


@router.get("/readyz", tags=["service"], response_model=Ready)
def readyz(service: ServiceDep) -> Ready | Response:
    """The service does its work; 503 says why it does not."""
    readiness = service.ready()
    if not readiness.ready:
        reasons = " ".join([*readiness.reasons, *readiness.warnings])
        return problem_response(problem(503, "not_ready", reasons or "The service is starting."))
    return Ready(ready=True, warnings=readiness.warnings)


@router.get("/metrics", tags=["service"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(service: ServiceDep) -> Response:
    """What Prometheus reads."""
    return Response(service.metrics.render(), headers={"Content-Type": CONTENT_TYPE})
