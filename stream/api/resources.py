"""Streams and queries: list, get, add, change, remove. Plain functions, run in worker threads."""

from __future__ import annotations

from fastapi import APIRouter, Response

from stream.api.bodies import (
    Name,
    NewQuery,
    NewStream,
    QueryChanges,
    QueryList,
    QueryView,
    StreamChanges,
    StreamList,
    StreamView,
)
from stream.api.context import ServiceDep
from stream.api.problems import responses

router = APIRouter(prefix="/v1", responses=responses(401, 422, 500, 503))


@router.get("/streams", tags=["streams"])
def list_streams(service: ServiceDep) -> StreamList:
    """Every stream and how it is doing."""
    return StreamList(streams=[StreamView.of(status) for status in service.streams()])


@router.post("/streams", tags=["streams"], status_code=201, responses=responses(409, 413, 415))
def add_stream(body: NewStream, service: ServiceDep, response: Response) -> StreamView:
    """Watch a stream from now on, also after a restart."""
    status = service.add_stream(body.name, body.given())
    response.headers["Location"] = f"/v1/streams/{body.name}"
    return StreamView.of(status)


@router.get("/streams/{stream}", tags=["streams"], responses=responses(404))
def get_stream(stream: Name, service: ServiceDep) -> StreamView:
    """One stream and how it is doing."""
    return StreamView.of(service.stream(stream))


@router.patch("/streams/{stream}", tags=["streams"], responses=responses(404, 409, 413, 415))
def patch_stream(stream: Name, body: StreamChanges, service: ServiceDep) -> StreamView:
    """Change what is sent and leave the rest."""
    return StreamView.of(service.patch_stream(stream, body.given()))


@router.delete("/streams/{stream}", tags=["streams"], status_code=204, responses=responses(404, 409))
def remove_stream(stream: Name, service: ServiceDep) -> None:
    """Stop watching a stream; its open moments end."""
    service.remove_stream(stream)


@router.get("/queries", tags=["queries"])
def list_queries(service: ServiceDep) -> QueryList:
    """Every standing query and how it is doing."""
    return QueryList(queries=[QueryView.of(status) for status in service.queries()])


@router.post("/queries", tags=["queries"], status_code=201, responses=responses(409, 413, 415))
def add_query(body: NewQuery, service: ServiceDep, response: Response) -> QueryView:
    """Watch for a sentence from now on, also after a restart; the window already held is searched at once."""
    status = service.add_query(body.name, body.given())
    response.headers["Location"] = f"/v1/queries/{body.name}"
    return QueryView.of(status)


@router.get("/queries/{query}", tags=["queries"], responses=responses(404))
def get_query(query: Name, service: ServiceDep) -> QueryView:
    """One standing query and how it is doing."""
    return QueryView.of(service.query(query))


@router.patch("/queries/{query}", tags=["queries"], responses=responses(404, 409, 413, 415))
def patch_query(query: Name, body: QueryChanges, service: ServiceDep) -> QueryView:
    """Change what is sent and leave the rest."""
    return QueryView.of(service.patch_query(query, body.given()))


@router.delete("/queries/{query}", tags=["queries"], status_code=204, responses=responses(404, 409))
def remove_query(query: Name, service: ServiceDep) -> None:
    """Stop watching for a sentence; its open moments end."""
    service.remove_query(query)
