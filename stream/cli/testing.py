"""`r2stream test`: what sentences would have told, of a recording read as fast as possible or of a running service's
stream, several wordings side by side.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from clients import Backtest as Answer
from clients import Client, Wording
from clients.backtest import parse_backtest
from stream.cli.backtest_table import print_backtest
from stream.cli.event_lines import minutes
from stream.cli.lifetime import stopped_by_user
from stream.cli.problems import CommandError
from stream.section import NAME
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.backtest import Backtest
    from stream.engine import Engine
    from stream.sources import SourceState
    from stream.types import Frame, Gap, Picture

STREAM: Final = "recording"
_OVER: Final = ("offline", "stalled", "failed", "ended")
"""A test never waits for a source to come back."""


@dataclass(frozen=True)
class Trial:
    """What a user wants to test."""

    source: str
    texts: tuple[str, ...]
    rules: Mapping[str, object] = field(default_factory=dict)
    """Keys of a query, for every wording."""
    seconds: float | None = None
    """How much of it to look at, in its own time; all of it if None."""

    @property
    def wordings(self) -> list[dict[str, object]]:
        """Each as `Query.parse` takes it."""
        return [{"text": text, **self.rules} for text in self.texts]

    @property
    def is_stream(self) -> bool:
        """Whether a running service is asked: a name that is no file. `./name` is always a file."""
        return bool(NAME.fullmatch(self.source)) and not Path(self.source).exists()


@dataclass(frozen=True)
class Where:
    """What it runs on: a model here, or a service."""

    model: str = Settings.model
    device: str = Settings.device
    url: str = ""
    token: str | None = None


def run_test(trial: Trial, where: Where, *, as_json: bool) -> None:
    """Test and print. Ctrl-C ends a test of a recording early and prints what there is.

    Raises:
        R2StreamError: the recording, the model or a sentence cannot be used; says why.
        ClientError: the service cannot be asked, or refuses.
    """
    console, notes = Console(highlight=False), Console(stderr=True, highlight=False)
    answer = asyncio.run(_ask(trial, where)) if trial.is_stream else _read(trial, where, notes)
    if as_json:
        print(json.dumps(answer.raw, ensure_ascii=False), flush=True)
    else:
        print_backtest(console, answer)


async def _ask(trial: Trial, where: Where) -> Answer:
    async with Client(where.url, where.token) as client:
        return await client.test(trial.source, *(cast(Wording, wording) for wording in trial.wordings))


def _read(trial: Trial, where: Where, notes: Console) -> Answer:
    if notes.is_terminal:
        notes.print("starting …", style="dim")
    # Imported here, so that a slow machine shows what it is waiting for.
    from stream.api.backtest_routes import BacktestView
    from stream.backtest import Backtest
    from stream.engine import load_engine
    from stream.query import Query

    queries = [Query.parse(str(place), wording) for place, wording in enumerate(trial.wordings)]
    engine = load_engine(where.model, device=where.device)
    backtest = Backtest(STREAM, queries, engine.frame_interval_s, model=engine.name)
    reading = _Reading(trial, backtest)
    with stopped_by_user(), _progress(notes, reading.length_s) as show:
        reading.run(engine, show)
    reading.end()
    if reading.note:
        notes.print(reading.note, style="yellow")
    return parse_backtest(BacktestView.of(backtest.report()).model_dump(mode="json"))


class _Reading:
    """One source, from its first picture to its end, or to the end of what is wanted of it."""

    def __init__(self, trial: Trial, backtest: Backtest) -> None:
        """Raises SourceAddressError, a ConfigError, for an address that cannot be a source."""
        from stream.sources import Surroundings, open_source, recording_length_s

        self.note = ""
        self._seconds = trial.seconds
        self._backtest = backtest
        surroundings = Surroundings(wants=backtest.session.wants, on_state=self._on_state)
        self._source = open_source(trial.source, surroundings, pace="fast")
        length_s = recording_length_s(self._source.spec)
        self.length_s = trial.seconds if length_s is None else min(length_s, trial.seconds or length_s)
        self._ended_well = False

    def run(self, engine: Engine, show: Callable[[float], None]) -> None:
        """Feed the backtest. Raises TextError for a sentence that the model cannot read."""
        from stream.replay import BATCH_FRAMES, observe_frames

        for text in self._backtest.texts.values():
            engine.check_text(text)  # before anything is opened
        # What comes at its own pace is looked at as it comes.
        batch_frames = BATCH_FRAMES if self._source.spec.kind == "file" else 1
        frames = self._frames(show)
        self._backtest.feed(observe_frames(engine, self._backtest.session, frames, batch_frames=batch_frames))

    def end(self) -> None:
        """Nothing else is read. Raises CommandError when nothing was."""
        self._source.stop()
        if self._backtest.report().frames == 0:
            raise CommandError(self.note or f"{self._source.spec.shown} has shown no picture")
        if self._ended_well:
            self._backtest.end()

    def _frames(self, show: Callable[[float], None]) -> Iterator[Frame | Gap]:
        passed_s = before_s = 0.0
        epoch: int | None = None
        for picture in self._source.pictures():
            passed_s, before_s, epoch = _passed(passed_s, before_s, epoch, picture)
            if self._seconds is not None and passed_s >= self._seconds:
                self._source.stop()
                return
            show(passed_s)
            yield from self._backtest.session.feed_picture(picture)

    def _on_state(self, state: SourceState) -> None:
        if state.name in _OVER:
            self._ended_well = state.name == "ended"
            self.note = state.reason
            self._source.stop()


def _passed(passed_s: float, before_s: float, epoch: int | None, picture: Picture) -> tuple[float, float, int]:
    """How much time the pictures have shown so far, whatever their clock did between two connections."""
    if epoch == picture.epoch:
        passed_s += picture.media_time_s - before_s
    return passed_s, picture.media_time_s, picture.epoch


@contextmanager
def _progress(notes: Console, length_s: float | None) -> Iterator[Callable[[float], None]]:
    """On a terminal, a bar of what has been looked at; one that only moves where nobody knows the length."""
    columns = (TextColumn("[dim]{task.fields[at]}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as progress:
        task = progress.add_task("", total=length_s, at="0:00.0")
        yield lambda passed_s: progress.update(task, completed=passed_s, at=minutes(passed_s))
