"""Replaying programmes through the live form of the model: what it would have seen at every tick, and what was true.

The expensive part, grounding, is done once; trackers with any settings can then be run over what was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.progress import Progress
from torch import Tensor

from r2model.decode import decode_moments
from r2model.door import R2Model
from r2model.incremental import IncrementalGrounder
from stream.broadcast import Broadcast, Happening, Meaning, sentences
from stream.broadcast.language import all_meanings
from stream.engine import NMS_IOU
from stream.types import Observation, Span
from training.demo.programmes import encode_programmes
from training.demo.recipe import Recipe

Spans = list[tuple[float, float]]


@dataclass(frozen=True)
class Case:
    """One sentence watched over one programme: the truth, and what the model said at each tick."""

    programme: int
    meaning: Meaning
    text: str
    truth: Spans
    """Every moment that answers the sentence, programme time; empty for an absent query."""
    observations: list[Observation]


@dataclass(frozen=True)
class Programme:
    """One programme as tokens, with its truth."""

    seed: int
    tokens: Tensor  # [F, K, P, C]
    happenings: list[Happening]
    length_s: float


def programmes(seeds: range, recipe: Recipe, model: R2Model, progress: Progress) -> Iterator[Programme]:
    """Programmes that training never showed, held-out objects included."""
    length_s = recipe.programme_frames * recipe.frame_interval_s
    tokens = encode_programmes(seeds, recipe, model.encoder(), progress, held_out=True)
    for seed, encoded in zip(seeds, tokens, strict=True):
        yield Programme(seed, encoded, Broadcast(seed).happenings(0, length_s), length_s)


def choose_queries(programme: Programme, absent: int, rng: np.random.Generator) -> list[tuple[Meaning, Spans]]:
    """Every meaning that the programme shows whole, and some that it does not show at all."""
    whole = [h for h in programme.happenings if h.end_s <= programme.length_s - 4.0]
    chosen = [(m, _spans(programme, m)) for m in dict.fromkeys(h.meaning for h in whole)]
    everything = all_meanings()
    kinds = sorted({meaning.kind for meaning in everything})
    while absent:
        kind = str(rng.choice(kinds))
        options = [meaning for meaning in everything if meaning.kind == kind]
        wish = options[rng.integers(len(options))]
        if not any(h.meaning.matches(wish) for h in programme.happenings):
            chosen.append((wish, []))
            absent -= 1
    return chosen


def watch(programme: Programme, queries: Sequence[tuple[Meaning, Spans]], model: R2Model, *, held_out: bool,
          rng: np.random.Generator) -> list[Case]:  # fmt: skip
    """Ground every query at every frame, exactly as the engine does live."""
    grounder = IncrementalGrounder(model, max_batch=64)
    cases = []
    for meaning, truth in queries:
        text = str(rng.choice(sentences(meaning, held_out=held_out)))
        cases.append(Case(programme.seed, meaning, text, truth, []))
    prepared = [grounder.prepare(model.encode_text(case.text)) for case in cases]
    window, interval_s = grounder.new_window(), model.config.frame_interval_s
    for index, tokens in enumerate(programme.tokens):
        grounder.append([window], tokens[None])
        now_s = (index + 1) * interval_s
        length_s = window.frames * interval_s
        for case, grounding in zip(cases, grounder.ground([(window, prepared)])[0], strict=True):
            spans, scores = decode_moments(grounding, length_s, NMS_IOU)
            start_s = now_s - length_s
            found = tuple(
                Span(start_s + float(a), start_s + float(b), float(score))
                for (a, b), score in zip(spans, scores, strict=True)
                if score > 0.05
            )
            case.observations.append(
                Observation("programme", "query", 0, start_s, now_s, now_s, "file", found, grounding.saliency.numpy())
            )
    return cases


def _spans(programme: Programme, wish: Meaning) -> Spans:
    return [(h.start_s, h.end_s) for h in programme.happenings if h.meaning.matches(wish)]
