"""Sinks: how they are doing, and the events that they gave up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from stream.api.bodies import Body, Name
from stream.api.context import ServiceDep
from stream.api.problems import responses
from stream.events import Event
from stream.sinks.status import SinkState, SinkStatus, SinkType
from stream.store import DeadLetter

MAX_IDS = 1000
router = APIRouter(prefix="/v1/sinks", tags=["sinks"], responses=responses(401, 422, 500, 503))


class SinkView(BaseModel):
    """One sink and how it is doing. Its address and secrets are not shown."""

    name: str
    type: SinkType
    state: SinkState
    reason: str | None
    since: datetime
    cursor: int = Field(description="of the last event that is delivered, or need not be")
    lag: int = Field(description="how many events the log holds after it")
    last_delivery: datetime | None
    dead_letters: int

    @classmethod
    def of(cls, status: SinkStatus) -> Self:
        """What the API shows of a sink."""
        return cls.model_validate(vars(status))


class SinkList(BaseModel):
    """Every sink."""

    sinks: list[SinkView]


class DeadLetterView(BaseModel):
    """An event that a sink gave up."""

    id: int
    reason: str
    tries: int
    failed_at: datetime = Field(description="when it was tried last")
    event: Event

    @classmethod
    def of(cls, letter: DeadLetter) -> Self:
        """What the API shows of a dead letter."""
        return cls(
            id=letter.id,
            reason=letter.reason,
            tries=letter.tries,
            failed_at=datetime.fromtimestamp(letter.failed_at_s, UTC),
            event=letter.event,
        )


class DeadLetterList(BaseModel):
    """Some dead letters, oldest first."""

    dead_letters: list[DeadLetterView]
    next: int = Field(description="pass it as `after` for the next page; the list is empty when there is nothing more")


class DeadLetterChoice(Body):
    """Which dead letters to answer with. Parameters arrive as text, hence not strict."""

    model_config = ConfigDict(strict=False)

    after: int = Field(0, ge=0, description="id of the last dead letter already known")
    limit: int = Field(100, ge=1, le=1000)


class Redelivery(Body):
    """Which dead letters to try again."""

    ids: list[int] | None = Field(None, max_length=MAX_IDS, description="null for all")


class Redelivering(BaseModel):
    """What is being tried again; those that fail once more stay dead letters."""

    redelivering: int


@router.get("")
def list_sinks(service: ServiceDep) -> SinkList:
    """Every sink and how it is doing."""
    return SinkList(sinks=[SinkView.of(status) for status in service.sinks.statuses()])


@router.get("/{sink}", responses=responses(404))
def get_sink(sink: Name, service: ServiceDep) -> SinkView:
    """One sink and how it is doing."""
    return SinkView.of(service.sinks.status(sink))


@router.get("/{sink}/dead-letters", responses=responses(404))
def list_dead_letters(sink: Name, choice: Annotated[DeadLetterChoice, Query()], service: ServiceDep) -> DeadLetterList:
    """Events that a sink gave up, oldest first."""
    letters = service.sinks.dead_letters(sink, choice.after, choice.limit)
    shown = [DeadLetterView.of(letter) for letter in letters]
    return DeadLetterList(dead_letters=shown, next=shown[-1].id if shown else choice.after)


@router.post("/{sink}/dead-letters:redeliver", status_code=202, responses=responses(404, 409, 413, 415))
def redeliver(sink: Name, body: Redelivery, service: ServiceDep) -> Redelivering:
    """Try dead letters again, once each, all of them unless some are named."""
    return Redelivering(redelivering=service.sinks.redeliver(sink, body.ids))
