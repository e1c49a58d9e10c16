"""The Python client: REST calls and the event stream of one r2stream server."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, Unpack
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect

from .backoff import Backoff
from .backtest import Backtest, Wording, parse_backtest
from .cuts import Cut, CutOptions, EdlOptions, cut_params, parse_cuts
from .errors import ClientError
from .event_stream import EventStream, Wanted
from .events import DeadLetter, Event, EventPage, parse_dead_letter, parse_event, parse_page
from .messages import (
    Clip,
    QueryChanges,
    QueryInfo,
    QueryOptions,
    SinkInfo,
    StreamChanges,
    StreamInfo,
    StreamOptions,
    as_names,
    parse_clip,
    parse_query,
    parse_sink,
    parse_stream,
)
from .reels import Reel, ReelOptions, parse_reel, reel_body
from .server import Server

REQUEST_TIMEOUT_S: Final = 10.0
TEST_TIMEOUT_S: Final = 60.0
"""A server gives a backtest up before that."""
CLOSE_TIMEOUT_S: Final = 2.0
FIRST_RETRY_S: Final = 0.25
"""A lost event stream is taken up again after about this long, then after longer and longer."""


class Client:
    """Talks to the server at `base_url` (for example `http://127.0.0.1:8642`), with `token` when it asks for one.

    Use it as `async with Client(url) as client:`; leaving closes everything it opened. Every call has a timeout and
    raises `ClientError` when it fails.
    """

    def __init__(self, base_url: str, token: str | None = None, *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ClientError("invalid", f"{base_url!r} is no server address; one looks like http://127.0.0.1:8642.")
        self._server = Server(base_url.rstrip("/"), token, timeout_s)
        self._event_streams: weakref.WeakSet[EventStream] = weakref.WeakSet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection, event streams included."""
        for stream in list(self._event_streams):
            await stream.aclose()
        await self._server.aclose()

    async def streams(self) -> tuple[StreamInfo, ...]:
        """Every stream and how it is doing."""
        return tuple(parse_stream(body) for body in (await self._server.call("GET", "/v1/streams"))["streams"])

    async def stream(self, name: str) -> StreamInfo:
        """One stream and how it is doing."""
        return parse_stream(await self._server.call("GET", _path("streams", name)))

    async def add_stream(self, name: str, url: str, **options: Unpack[StreamOptions]) -> StreamInfo:
        """Watch a stream from now on; the server keeps it until it is removed."""
        return parse_stream(await self._server.call("POST", "/v1/streams", {"name": name, "url": url, **options}))

    async def update_stream(self, name: str, **changes: Unpack[StreamChanges]) -> StreamInfo:
        """Change what is given and leave the rest; another address is a new connection."""
        return parse_stream(await self._server.call("PATCH", _path("streams", name), dict(changes)))

    async def remove_stream(self, name: str) -> None:
        """Stop watching a stream."""
        await self._server.call("DELETE", _path("streams", name))

    async def queries(self) -> tuple[QueryInfo, ...]:
        """Every standing query and how it is doing."""
        return tuple(parse_query(body) for body in (await self._server.call("GET", "/v1/queries"))["queries"])

    async def query(self, name: str) -> QueryInfo:
        """One standing query and how it is doing."""
        return parse_query(await self._server.call("GET", _path("queries", name)))

    async def add_query(self, name: str, text: str, **options: Unpack[QueryOptions]) -> QueryInfo:
        """Watch for `text` from now on; the window already held is searched at once."""
        return parse_query(await self._server.call("POST", "/v1/queries", {"name": name, "text": text, **options}))

    async def set_query(self, name: str, text: str, **options: Unpack[QueryOptions]) -> QueryInfo:
        """The same where the query may be there already, as for a program that starts again: then it is changed."""
        try:
            return await self.add_query(name, text, **options)
        except ClientError as error:
            if error.code != "conflict":
                raise
        return await self.update_query(name, text=text, **options)

    async def update_query(self, name: str, **changes: Unpack[QueryChanges]) -> QueryInfo:
        """Change what is given and leave the rest; another text is another query, whose moments begin anew."""
        return parse_query(await self._server.call("PATCH", _path("queries", name), dict(changes)))

    async def remove_query(self, name: str) -> None:
        """Stop watching for a query."""
        await self._server.call("DELETE", _path("queries", name))

    async def test(self, stream: str, *wordings: str | Wording, timeout_s: float = TEST_TIMEOUT_S) -> Backtest:
        """What these sentences would have told of what the server holds of a stream now; nobody is told.

        A server runs one such test at a time: `ClientError("backtest_busy")` says that another one runs.
        """
        queries = [{"text": wording} if isinstance(wording, str) else dict(wording) for wording in wordings]
        body = {"stream": stream, "queries": queries}
        return parse_backtest(await self._server.call("POST", "/v1/queries:test", body, timeout_s=timeout_s))

    async def sinks(self) -> tuple[SinkInfo, ...]:
        """Every sink of the settings file and how it is doing."""
        return tuple(parse_sink(body) for body in (await self._server.call("GET", "/v1/sinks"))["sinks"])

    async def sink(self, name: str) -> SinkInfo:
        """One sink and how it is doing."""
        return parse_sink(await self._server.call("GET", _path("sinks", name)))

    async def dead_letters(self, sink: str, after: int = 0, limit: int = 100) -> tuple[DeadLetter, ...]:
        """Up to `limit` events that a sink gave up, oldest first, after the id of the last one already known."""
        params = {"after": after, "limit": limit}
        answer = await self._server.call("GET", f"{_path('sinks', sink)}/dead-letters", params=params)
        return tuple(parse_dead_letter(body) for body in answer["dead_letters"])

    async def redeliver(self, sink: str, ids: Sequence[int] | None = None) -> int:
        """Have the sink try dead letters again, once each (`None`: all of them); how many that will be."""
        body = {} if ids is None else {"ids": list(ids)}
        answer = await self._server.call("POST", f"{_path('sinks', sink)}/dead-letters:redeliver", body)
        return int(answer["redelivering"])

    async def moment(self, moment_id: str) -> Event:
        """The newest event about one moment."""
        return parse_event(await self._server.call("GET", _path("moments", moment_id)))

    async def clip(self, moment_id: str) -> bytes:
        """The video file of a moment, or of a clip that was asked for, once it is ready."""
        return await self._server.read(await self._clip_url(moment_id))

    async def save_clip(self, moment_id: str, path: Path | str) -> int:
        """Write that file to `path`, whole or not at all; how many bytes it has."""
        return await self._server.save(await self._clip_url(moment_id), Path(path))

    async def thumbnail(self, moment_id: str) -> bytes:
        """The picture of a moment's clip, as JPEG."""
        url = (await self.clip_info(moment_id)).thumbnail_url
        return await self._server.read(url or f"{_path('clips', moment_id)}/thumbnail.jpg")

    async def preview(self, moment_id: str) -> bytes:
        """A small moving picture of a moment's clip, as animated WebP."""
        url = (await self.clip_info(moment_id)).preview_url
        return await self._server.read(url or f"{_path('clips', moment_id)}/preview.webp")

    async def clip_info(self, clip_id: str) -> Clip:
        """How a clip is doing; a moment's clip has the moment's id."""
        return parse_clip(await self._server.call("GET", _path("clips", clip_id)))

    async def add_clip(self, stream: str, start: datetime | float, end: datetime | float) -> Clip:
        """Cut a clip of a stream: from one time to another, both with a time zone, or both in media time."""
        span = {"start": _as_time(start), "end": _as_time(end)}
        return parse_clip(await self._server.call("POST", "/v1/clips", {"stream": stream, **span}))

    async def cuts(self, **options: Unpack[CutOptions]) -> tuple[Cut, ...]:
        """The moments of a day, or of any time, with the clips that show them."""
        return parse_cuts(await self._server.call("GET", "/v1/cuts", params=cut_params(options)))

    async def cut_list(self, kind: Literal["csv", "edl"], **options: Unpack[EdlOptions]) -> str:
        """The same as a table for spreadsheets, or as an edit decision list (CMX 3600) for editing suites."""
        body = await self._server.read("/v1/cuts", {**cut_params(options), "format": kind})
        return body.decode()

    async def add_reel(self, **options: Unpack[ReelOptions]) -> Reel:
        """Have the best moments of a day, or of any time, made into one video file."""
        return parse_reel(await self._server.call("POST", "/v1/reels", reel_body(options)))

    async def reels(self, limit: int = 100) -> tuple[Reel, ...]:
        """The newest reels and how they are doing."""
        answer = await self._server.call("GET", "/v1/reels", params={"limit": limit})
        return tuple(parse_reel(body) for body in answer["reels"])

    async def reel(self, reel_id: str) -> Reel:
        """One reel and how it is doing."""
        return parse_reel(await self._server.call("GET", _path("reels", reel_id)))

    async def save_reel(self, reel_id: str, path: Path | str) -> int:
        """Write the file of a reel to `path`, whole or not at all; how many bytes it has."""
        url = (await self.reel(reel_id)).url or f"{_path('reels', reel_id)}/reel.mp4"
        return await self._server.save(url, Path(path))

    async def remove_reel(self, reel_id: str) -> None:
        """Remove a reel's file, or let it not be made."""
        await self._server.call("DELETE", _path("reels", reel_id))

    async def event_page(
        self,
        after: int = 0,
        limit: int = 100,
        *,
        streams: Sequence[str] | None = None,
        queries: Sequence[str] | None = None,
    ) -> EventPage:
        """Up to `limit` events that the log holds after a cursor, oldest first; does not wait for new ones."""
        chosen: dict[str, Any] = {
            "after": after,
            "limit": limit,
            "stream": as_names(streams),
            "query": as_names(queries),
        }
        params = {key: value for key, value in chosen.items() if value is not None}
        return parse_page(await self._server.call("GET", "/v1/events", params=params))

    def events(
        self,
        *,
        streams: Sequence[str] | None = None,
        queries: Sequence[str] | None = None,
        after: int | None = None,
    ) -> EventStream:
        """Events after a cursor (`None`: from now on, 0: all that the log holds), then live, for ever."""
        stream = EventStream(self._connect, Wanted(as_names(streams), as_names(queries)), after, Backoff(FIRST_RETRY_S))
        self._event_streams.add(stream)
        return stream

    async def _connect(self) -> ClientConnection:
        # "http…" becomes "ws…", keeping the "s" of https.
        return await connect(
            "ws" + self._server.base_url.removeprefix("http") + "/v1/events/ws",
            additional_headers=self._server.headers,
            open_timeout=self._server.timeout_s,
            close_timeout=CLOSE_TIMEOUT_S,
        )

    async def _clip_url(self, clip_id: str) -> str:
        """Where the file is, or where the server says why there is none."""
        return (await self.clip_info(clip_id)).url or f"{_path('clips', clip_id)}/clip.mp4"


def _as_time(time: datetime | float) -> str | float:
    return time.isoformat() if isinstance(time, datetime) else time


def _path(collection: str, name: str) -> str:
    return f"/v1/{collection}/{quote(name, safe='')}"
