"""Answers with a file that lies elsewhere: a piece at a time, whole or the part that was asked for."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Final, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi.responses import JSONResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stream.api.problems import problem, problem_response
from stream.api.protocol import DistantFile
from stream.errors import R2StreamError

PIECE_BYTES: Final = 1 << 18
"""What is held of one file at a time."""
SEND_S: Final = 60.0
"""A client that takes nothing for so long is cut off: the file cannot be removed while it is read."""
READERS: Final = 8
_RANGE: Final = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class DistantResponse(Response):
    """Closes the file in whatever way answering ends. One range is served; several are answered with all of it."""

    def __init__(self, file: DistantFile, media_type: str, name: str) -> None:
        super().__init__(media_type=media_type)
        self._file = file
        self._name = name
        self._gone = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listening = asyncio.create_task(self._listen(receive), name="distant file: client")
        try:
            limiter = _limiter(scope)
            size_bytes = await _waited(self._file.size_bytes, limiter)
            asked = _header(scope, b"range")
            if _header(scope, b"if-range") not in ("", self._tag(size_bytes)):
                asked = ""
            span = parse_range(asked, size_bytes)
            if span is None:
                await _beyond(size_bytes)(scope, receive, send)
            else:
                await self._send(send, span, size_bytes, limiter)
        finally:
            listening.cancel()
            self._file.close()

    async def _send(self, send: Send, span: tuple[int, int], size_bytes: int, limiter: CapacityLimiter) -> None:
        start, end = span
        # Before anything is answered: what cannot be read is a problem that can still be told.
        piece = await self._piece(start, end, limiter)
        part = (start, end) != (0, size_bytes)
        headers = {
            "content-type": self.media_type or "",
            "content-length": str(end - start),
            "content-disposition": f'inline; filename="{self._name}"',
            "accept-ranges": "bytes",
            "cache-control": "private, max-age=3600",
            "etag": self._tag(size_bytes),
            **({"content-range": f"bytes {start}-{end - 1}/{size_bytes}"} if part else {}),
        }
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 206 if part else 200, "headers": raw})
        try:
            while True:
                start += len(piece)
                async with asyncio.timeout(SEND_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": start < end})
                if start >= end or self._gone.is_set():
                    return
                piece = await self._piece(start, end, limiter)
        except (R2StreamError, EOFError, TimeoutError) as error:
            # The answer has begun: that it ends too soon is all that the client can be told.
            _log.warning("%s: not all of it could be sent: %s", self._name, error or "the client takes nothing")

    async def _listen(self, receive: Receive) -> None:
        """Servers take what is sent to a client that has gone, and say nothing."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone.set()

    async def _piece(self, start: int, end: int, limiter: CapacityLimiter) -> bytes:
        stop = min(end, start + PIECE_BYTES)
        piece = await _waited(lambda: self._file.read(start, stop), limiter)
        if len(piece) != stop - start:
            raise EOFError(f"{self._name} is shorter than it was")
        return piece

    def _tag(self, size_bytes: int) -> str:
        # A clip never changes once it is there.
        return f'"{self._name}-{size_bytes}"'


def parse_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """The bytes `[start, end)` that a Range header asks for; all of them where it asks for none or for several, None
    where it asks for what is not there."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match["first"] or match["last"]):
        return 0, size_bytes
    if not match["first"]:
        start, end = max(0, size_bytes - int(match["last"])), size_bytes
    else:
        start, end = int(match["first"]), min(size_bytes, int(match["last"] or size_bytes) + 1)
        if match["last"] and int(match["last"]) < start:
            return 0, size_bytes
    return (start, end) if start < end else None


def _beyond(size_bytes: int) -> JSONResponse:
    detail = f"The file has {size_bytes} bytes, and none of those that were asked for."
    return problem_response(problem(416, "bad_range", detail), {"Content-Range": f"bytes */{size_bytes}"})


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _limiter(scope: Scope) -> CapacityLimiter:
    """So many reads at once for one service: a network that hangs leaves threads for all other requests."""
    state = scope["app"].state
    if not hasattr(state, "distant_limiter"):
        state.distant_limiter = CapacityLimiter(READERS)
    limiter: CapacityLimiter = state.distant_limiter
    return limiter


async def _waited(task: Callable[[], _T], limiter: CapacityLimiter) -> _T:
    return await to_thread.run_sync(task, limiter=limiter)
