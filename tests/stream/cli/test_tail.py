"""`r2stream events tail` against a real server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from rich.console import Console

from clients import ClientError
from stream.cli.tail import Wish, tail


async def printed_lines(
    url: str, wish: Wish, count: int, capsys: pytest.CaptureFixture[str], token: str | None = None
) -> list[str]:
    """What `tail` prints until there are `count` lines; it is stopped then, as by Ctrl-C."""
    lines: list[str] = []
    console = Console(width=200)
    task = asyncio.create_task(tail(url, token, wish, console))
    try:
        async with asyncio.timeout(10):
            while len(lines) < count:
                await asyncio.wait([task], timeout=0.02)
                if task.done():
                    task.result()
                lines += capsys.readouterr().out.splitlines()
    finally:
        task.cancel()
        await asyncio.wait([task])
    return lines


async def test_everything_the_log_holds_comes_first(
    served: Any, moment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--after 0` starts at the beginning, oldest first."""
    served.append(moment("started"), moment("ended"))
    lines = await printed_lines(served.url, Wish(after=0), 2, capsys)
    assert "started" in lines[0] and "ended" in lines[1]


async def test_from_a_cursor_on(served: Any, moment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing up to the cursor is repeated."""
    first, _ = served.append(moment("started", query="goal"), moment("started", query="rain"))
    lines = await printed_lines(served.url, Wish(after=first.cursor), 1, capsys)
    assert "rain" in lines[0]


async def test_only_what_was_asked_for(served: Any, moment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """By stream and by query."""
    served.append(moment(stream="road"), moment(query="rain"), moment(stream="road", query="rain"))
    wish = Wish(after=0, streams=("road",), queries=("rain",))
    (line,) = await printed_lines(served.url, wish, 1, capsys)
    assert "road" in line and "rain" in line


async def test_json_lines_are_the_events_themselves(
    served: Any, moment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object per line, exactly what the server sent."""
    (event,) = served.append(moment("ended"))
    (line,) = await printed_lines(served.url, Wish(after=0, as_json=True), 1, capsys)
    assert json.loads(line) == json.loads(event.to_json())


async def test_a_missing_token_is_said(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Rather than waited for."""
    with serve(token="secret") as served, pytest.raises(ClientError, match="token"):
        await printed_lines(served.url, Wish(), 1, capsys)


async def test_the_token_opens_the_door(serve: Any, moment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes with every request, the websocket's too."""
    with serve(token="secret") as served:
        served.append(moment())
        assert await printed_lines(served.url, Wish(after=0), 1, capsys, token="secret")
