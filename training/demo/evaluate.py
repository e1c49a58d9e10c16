"""What the demo model reaches on programmes it never saw: retrieval offline, alerts live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from r2model.checkpoint import load_model
from r2model.door import R2Model
from stream.broadcast.language import HELD_OUT_OBJECTS
from stream.query import Query
from training.demo.live import LiveScore, score_live
from training.demo.observe import Case, choose_queries, programme, watch
from training.demo.offline import Guess, best_similarity_spans, guess
from training.demo.parallel import in_parallel
from training.demo.programmes import EVALUATION_SEEDS
from training.demo.recipe import Recipe
from training.demo.train import progress_bar
from training.demo.windows import TextTokens
from training.metrics import best_guess_iou

PROGRAMME_FRAMES = 128
ABSENT_QUERIES = 6


@dataclass(frozen=True)
class Offline:
    """R1 of one group of queries, in percent, and zero-shot CLIP's on the same ones."""

    queries: int
    r1_05: float
    r1_07: float
    clip_r1_05: float
    clip_r1_07: float


@dataclass(frozen=True)
class Report:
    """Everything `r2stream evaluate demo` prints."""

    model: str
    programmes: int
    offline: dict[str, Offline]
    """By group: `seen` and `held-out` paraphrases, and `held-out objects` among the seen ones."""
    live: dict[str, dict[str, float]]
    by_kind: dict[str, Offline] = field(default_factory=dict)


def evaluate_demo(
    model_path: str | Path = "demo", *, programmes_count: int = 200, threads: int = 2, console: Console | None = None
) -> Report:
    """Replay unseen programmes and score the model. Takes about a quarter of an hour on two cores for 200.

    Raises:
        CheckpointError: there is no such model.
    """
    model = load_model(model_path)
    recipe = replace(Recipe(), programme_frames=PROGRAMME_FRAMES)
    guesses: dict[bool, list[Guess]] = {False: [], True: []}
    cases: dict[bool, list[Case]] = {False: [], True: []}
    seeds = range(EVALUATION_SEEDS, EVALUATION_SEEDS + programmes_count)
    with progress_bar() as progress:
        examine = partial(_examine, recipe=recipe, model_path=model_path)
        for seen in in_parallel(examine, seeds, threads, progress, "programmes"):
            for held_out in (False, True):
                guesses[held_out] += seen.guesses[held_out]
                cases[held_out] += seen.cases[held_out]
    report = _report(str(model_path), programmes_count, model, guesses, cases)
    _print(report, console or Console())
    return report


@dataclass(frozen=True)
class _Seen:
    """What the model makes of one programme, by whether the paraphrases were held out."""

    guesses: dict[bool, list[Guess]]
    cases: dict[bool, list[Case]]


def _examine(seed: int, recipe: Recipe, model_path: str | Path) -> _Seen:
    """One programme in a process of its own: many small steps, for which two threads are hardly faster than one."""
    torch.set_num_threads(1)
    model, texts = _loaded(model_path)
    shown = programme(seed, recipe, model)
    rng = np.random.default_rng([recipe.seed, seed])
    guesses = {held_out: guess(shown, model, texts, held_out=held_out, rng=rng) for held_out in (False, True)}
    # Live replays take turns: every second programme is watched with held-out paraphrases.
    held_out = bool(seed % 2)
    cases = watch(shown, choose_queries(shown, ABSENT_QUERIES, rng), model, held_out=held_out, rng=rng)
    return _Seen(guesses, {held_out: cases, not held_out: []})


@lru_cache(maxsize=1)
def _loaded(model_path: str | Path) -> tuple[R2Model, TextTokens]:
    model = load_model(model_path)
    return model, TextTokens(model.encoder())


def _report(
    name: str, count: int, model: R2Model, guesses: dict[bool, list[Guess]], cases: dict[bool, list[Case]]
) -> Report:
    interval_s = model.config.frame_interval_s
    unseen = [g for g in guesses[False] if any((t.colour, t.shape) in HELD_OUT_OBJECTS for t in g.meaning.things)]
    groups = {"seen paraphrases": guesses[False], "held-out paraphrases": guesses[True], "held-out objects": unseen}
    query = Query("demo", "demo")
    live = {
        "seen paraphrases": score_live(cases[False], query),
        "held-out paraphrases": score_live(cases[True], query),
        "all": score_live(cases[False] + cases[True], query),
    }
    kinds = sorted({g.meaning.kind for g in guesses[False]})
    return Report(
        name,
        count,
        {title: _offline(group, interval_s) for title, group in groups.items() if group},
        {title: _live(score) for title, score in live.items()},
        {k: _offline([g for g in guesses[False] if g.meaning.kind == k], interval_s) for k in kinds},
    )


def _offline(group: Sequence[Guess], interval_s: float) -> Offline:
    truths = [g.truth for g in group]
    ours = best_guess_iou([g.spans for g in group], truths)
    clips = best_guess_iou(best_similarity_spans(group, interval_s)[0], truths)
    rates = [round(100 * float((iou >= level).mean()), 1) for iou in (ours, clips) for level in (0.5, 0.7)]
    return Offline(len(group), rates[0], rates[1], rates[2], rates[3])


def _live(score: LiveScore) -> dict[str, float]:
    return {
        "moments": score.moments,
        "recall": round(score.recall, 1),
        "onset_to_alert_s": round(score.median_delay_s, 2),
        "absent_query_hours": round(score.hours_absent, 1),
        "alarms_per_query_hour": round(score.alarms_per_hour, 2),
        "retracted_of_alarms": score.retracted_absent,
    }


def _print(report: Report, console: Console) -> None:
    offline = Table(title=f"Offline, one 32 s window per present query, {report.programmes} unseen programmes")
    for column in ("", "queries", "R1@0.5", "R1@0.7", "CLIP R1@0.5", "CLIP R1@0.7"):
        offline.add_column(column, justify="right" if column else "left")
    for title, row in [*report.offline.items(), *((f"  {kind}", row) for kind, row in report.by_kind.items())]:
        offline.add_row(title, *(str(value) for value in asdict(row).values()))
    live = Table(
        title="Live replay through the tracker: recall at IoU 0.5 four seconds after the end; default thresholds"
    )
    names = list(next(iter(report.live.values())))
    for column in ("", *names):
        live.add_column(column.replace("_", " "), justify="right" if column else "left")
    for title, values in report.live.items():
        live.add_row(title, *(f"{values[name]:g}" for name in names))
    console.print(offline)
    console.print(live)
    console.print("CLIP: zero-shot similarity of the same encoder, with the threshold that suits these data best.")
