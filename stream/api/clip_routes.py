"""Clips over HTTP: the files of moments, and clips of any time that is held."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from pydantic import Field

from stream.api.bodies import NewClip
from stream.api.context import ServiceDep
from stream.api.distant import DistantResponse
from stream.api.problems import responses
from stream.api.protocol import DistantFile
from stream.errors import ConflictError
from stream.events import ClipData

router = APIRouter(tags=["clips"], responses=responses(401, 422, 500, 503))

ClipId = Annotated[str, Field(max_length=64)]
_TYPES: Final = {".mp4": "video/mp4", ".webm": "video/webm", ".jpg": "image/jpeg", ".webp": "image/webp"}


def file_route(kind: str) -> dict[str, Any]:
    """What a route of files is told: its media type in the OpenAPI document, and how its answer looks."""
    content = {_TYPES[kind]: {"schema": {"type": "string", "format": "binary"}}}
    whole = {200: {"description": "the file", "content": content}}
    part = {206: {"description": "the part that a Range header asked for", "content": content}}
    return {"response_class": FileResponse, "responses": {**whole, **part, **responses(404, 409, 416, 503)}}


def answer_file(file: Path | DistantFile, clip_id: str, suffix: str) -> Response:
    """A file here or elsewhere, whole or the part that was asked for."""
    # With `inline`, a browser plays it; ranges, with which it seeks, are the response's own doing.
    name, media_type = f"{clip_id}{suffix}", _TYPES[suffix]
    if not isinstance(file, Path):
        return DistantResponse(file, media_type, name)
    headers = {"Cache-Control": "private, max-age=3600"}
    return FileResponse(file, media_type=media_type, filename=name, content_disposition_type="inline", headers=headers)


@router.post("/v1/clips", status_code=202, responses=responses(404, 409, 413, 415))
def add_clip(body: NewClip, service: ServiceDep, response: Response) -> ClipData:
    """Cut a clip of a stream, from what is held or still to come; an event says when it is ready."""
    clips = service.stream(body.stream).clips
    if clips.state == "off":
        raise ConflictError(clips.reason or "no clips can be cut of this stream", code="no_video")
    data = service.clips.request(body.stream, body.start, body.end)
    response.headers["Location"] = f"/v1/clips/{data.clip_id}"
    return data


@router.get("/v1/clips/{clip_id}", responses=responses(404))
def get_clip(clip_id: ClipId, service: ServiceDep) -> ClipData:
    """One clip and how it is doing; a moment's clip has the moment's id."""
    return service.clips.get(clip_id)


@router.get("/v1/moments/{clip_id}/clip.mp4", **file_route(".mp4"))
@router.get("/v1/clips/{clip_id}/clip.mp4", **file_route(".mp4"))
def get_mp4(clip_id: ClipId, service: ServiceDep) -> Response:
    """The clip's video, of streams in H.264 and H.265."""
    return answer_file(service.clips.video(clip_id, "mp4"), clip_id, ".mp4")


@router.get("/v1/moments/{clip_id}/clip.webm", **file_route(".webm"))
@router.get("/v1/clips/{clip_id}/clip.webm", **file_route(".webm"))
def get_webm(clip_id: ClipId, service: ServiceDep) -> Response:
    """The clip's video, of streams in VP8 and VP9."""
    return answer_file(service.clips.video(clip_id, "webm"), clip_id, ".webm")


@router.get("/v1/moments/{clip_id}/thumbnail.jpg", **file_route(".jpg"))
@router.get("/v1/clips/{clip_id}/thumbnail.jpg", **file_route(".jpg"))
def get_thumbnail(clip_id: ClipId, service: ServiceDep) -> Response:
    """The picture at the peak of the moment, or in the middle of what was asked for."""
    return answer_file(service.clips.thumbnail(clip_id), clip_id, ".jpg")


@router.get("/v1/moments/{clip_id}/preview.webp", **file_route(".webp"))
@router.get("/v1/clips/{clip_id}/preview.webp", **file_route(".webp"))
def get_preview(clip_id: ClipId, service: ServiceDep) -> Response:
    """A few small pictures of the moment, one after the other and over again: animated WebP, for an `<img>`."""
    return answer_file(service.clips.preview(clip_id), clip_id, ".webp")
