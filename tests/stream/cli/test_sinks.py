"""`r2stream sinks` against a real server."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from clients import ClientError
from stream.cli.sinks import show_sinks
from stream.sinks.settings import WebhookSettings


async def shown(url: str) -> str:
    out = io.StringIO()
    await show_sinks(url, None, Console(file=out, width=200))
    return out.getvalue()


async def test_each_sink_is_a_line(serve: Any, moment: Any) -> None:
    """With its state, how far it is behind, and the reason."""
    with serve(sinks={"hook": WebhookSettings("hook", "https://example.com/s3cr3t", enabled=False)}) as served:
        served.append(moment(), moment(), moment())
        heading, line = (await shown(served.url)).splitlines()
    assert heading.split()[:4] == ["sink", "type", "state", "behind"]
    assert line.split()[:6] == ["hook", "webhook", "disabled", "3", "0", "never"]
    assert "set enabled to true" in line and "s3cr3t" not in line


async def test_programs_get_json(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, as the server sent it."""
    with serve(sinks={"hook": WebhookSettings("hook", "https://example.com/", enabled=False)}) as served:
        await show_sinks(served.url, None, Console(), as_json=True)
    assert json.loads(capsys.readouterr().out)["state"] == "disabled"


async def test_no_sinks_is_an_answer_too(served: Any) -> None:
    """And says where they come from."""
    assert "There are no sinks" in await shown(served.url)


async def test_a_service_that_is_not_there_is_an_error() -> None:
    """As with every command."""
    with pytest.raises(ClientError):
        await shown("http://127.0.0.1:1")
