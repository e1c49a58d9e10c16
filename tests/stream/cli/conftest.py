"""A model with random weights and events as clients see them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clients import Event
from clients.events import parse_event
from stream.events import stream_event
from tests.models import save_random_model

EventFactory = Callable[..., Event]


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with random weights that sees something nearly everywhere."""
    return save_random_model(tmp_path_factory.mktemp("model") / "random.safetensors", sure=3.0)


@pytest.fixture
def received(moment: Callable[..., Any]) -> EventFactory:
    """An event about a moment, as the client hands it over; same arguments as `moment`."""

    def make(kind: str = "started", *, cursor: int = 1, **about: Any) -> Event:
        return parse_event(json.loads(moment(kind, **about).with_cursor(cursor).to_json()))

    return make


@pytest.fixture
def stream_news() -> EventFactory:
    """An event about the stream `pitch`, as the client hands it over."""

    def make(state: Any = "online", *, time_s: float = 0.0, reason: str | None = None) -> Event:
        event = stream_event("pitch", state, time_s=time_s, cause="none", reason=reason)
        return parse_event(json.loads(event.with_cursor(1).to_json()))

    return make


@pytest.fixture
def page() -> Callable[[int, int], Console]:
    """A colourful terminal of a given size, to be used with `capture`."""

    def make(width: int, height: int = 25) -> Console:
        return Console(
            file=io.StringIO(),
            width=width,
            height=height,
            force_terminal=True,
            color_system="truecolor",
            highlight=False,
        )

    return make
