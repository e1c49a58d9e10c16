"""Replaying programmes through the live form of the model: what it would have seen at every tick, and what was true.

The expensive part, grounding, is done once; trackers with any settings can then be run over what was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.progress import Progress
from torch import Tensor

from r2model.door import R2Model
from stream.broadcast import Broadcast, Happening, Meaning, sentences
from stream.broadcast.language import all_meanings
from stream.engine import Engine
from stream.replay import observe_tokens
from stream.types import Observation
from training.demo.programmes import encode, encode_programmes, render
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
    tokens = encode_programmes(seeds, recipe, model.encoder(), progress, held_out=True)
    for seed, encoded in zip(seeds, tokens, strict=True):
        yield _programme(seed, recipe, encoded)


def programme(seed: int, recipe: Recipe, model: R2Model) -> Programme:
    """One of them, rendered and encoded right here."""
    return _programme(seed, recipe, encode(render(seed, recipe, held_out=True), model.encoder()))


def _programme(seed: int, recipe: Recipe, tokens: Tensor) -> Programme:
    length_s = recipe.programme_frames * recipe.frame_interval_s
    return Programme(seed, tokens, Broadcast(seed).happenings(0, length_s), length_s)


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
    """What the live engine sees of every query at every frame."""
    cases = []
    for meaning, truth in queries:
        text = str(rng.choice(sentences(meaning, held_out=held_out)))
        cases.append(Case(programme.seed, meaning, text, truth, []))
    texts = {"programme": {str(number): case.text for number, case in enumerate(cases)}}
    for seen in observe_tokens(Engine(model), texts, {"programme": programme.tokens}):
        for observation in seen:
            cases[int(observation.query)].observations.append(observation)
    return cases


def _spans(programme: Programme, wish: Meaning) -> Spans:
    return [(h.start_s, h.end_s) for h in programme.happenings if h.meaning.matches(wish)]
