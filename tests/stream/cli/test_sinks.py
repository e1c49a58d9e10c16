"""`r2stream sinks` against a real server."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from clients import ClientError
from stream.cli.app import run
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


@pytest.fixture
def down(serve: Any, moment: Any) -> Iterator[Any]:
    """A server whose sink `hook` has given two events up."""
    with serve(sinks={"hook": WebhookSettings("hook", "https://example.com/", enabled=False)}) as served:
        served.append(moment(), moment())
        for event in served.store.read().events:
            served.store.sinks.bury("hook", event, "It answered 400.", tries=1, time_s=0.0)
        yield served


def test_what_a_sink_gave_up_is_shown(down: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """For people, and for programs; a page goes on where the last one ended."""
    assert run(["sinks", "dead-letters", "hook", "--url", down.url]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["id", "failed", "tries", "event", "reason"]
    assert ["400." in line and "moment.started" in line for line in lines] == [True, True]
    assert run(["sinks", "dead-letters", "hook", "--after", "1", "--json", "--url", down.url]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == 2
    assert run(["sinks", "dead-letters", "hook", "--after", "2", "--url", down.url]) == 0
    assert capsys.readouterr().out == "hook has no dead letters after 2.\n"


def test_the_list_needs_no_other_word(down: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`r2stream sinks` as ever."""
    assert run(["sinks", "--json", "--url", down.url]) == 0
    assert json.loads(capsys.readouterr().out)["dead_letters"] == 2


def test_what_cannot_be_tried_again_is_explained(down: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A sink that is switched off delivers nothing; one that is not there is no sink."""
    assert run(["sinks", "redeliver", "hook", "1", "--url", down.url]) == 1
    assert "set enabled to true" in capsys.readouterr().err
    assert run(["sinks", "redeliver", "nobody", "--url", down.url]) == 1
    assert "no sink 'nobody'" in capsys.readouterr().err
