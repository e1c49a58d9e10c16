"""Backtests as the client hands them over, asked of a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clients import Client, ClientError
from clients.backtest import parse_backtest
from stream.errors import BacktestBusyError

if TYPE_CHECKING:
    from tests.conftest import Served


async def test_wordings_are_sentences_or_mappings(client: Client) -> None:
    """Side by side, as typed values."""
    await client.add_stream("pitch", "rtsp://camera/1")
    answer = await client.test("pitch", "a goal", {"text": "a goal", "threshold": {"enter": 0.9}})
    assert (answer.stream, answer.model, answer.frames, answer.clock) == ("pitch", "demo", 1, "arrival")
    first, second = answer.outcomes
    assert (first.text, first.enter, second.enter) == ("a goal", 0.5, 0.9)
    (moment,) = first.moments
    assert (moment.start.media_time_s, moment.end.media_time_s, moment.alert.media_time_s) == (12, 14, 16)
    assert second.moments == () and second.best is not None and second.best.score == 0.8
    assert len(first.saliency) == 32 and first.saliency[-1].peak == 1.0


async def test_a_busy_server_is_an_error_with_its_code(client: Client, served: Served) -> None:
    """Whether to try again is the caller's to decide."""
    await client.add_stream("pitch", "rtsp://camera/1")
    served.service.crash = BacktestBusyError("another one runs")
    with pytest.raises(ClientError, match="another one runs") as refused:
        await client.test("pitch", "a goal")
    assert (refused.value.code, refused.value.status) == ("backtest_busy", 503)


def test_another_answer_is_no_backtest() -> None:
    """A server that is none of ours."""
    with pytest.raises(ClientError, match="'stream' is missing"):
        parse_backtest({"streams": []})
