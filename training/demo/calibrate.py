"""Make 0.5 mean something: shift the class scores so that the default threshold keeps false alarms rare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from rich.progress import Progress

from r2model.door import R2Model
from stream.query import Query
from stream.types import Observation, Span
from training.demo.live import score_live
from training.demo.observe import Case, choose_queries, programmes, watch
from training.demo.programmes import TUNING_SEEDS
from training.demo.recipe import Recipe

TARGET_ALARMS_PER_HOUR = 2.0
"""With paraphrases seen in training; others raise fewer."""
_SHIFTS = (-4.0, 3.0)
"""With more, spans that the engine has left out as hopeless would reach the default threshold."""
_HALVINGS = 12


def calibrate(model: R2Model, recipe: Recipe, progress: Progress) -> float:
    """Shift `model`'s class scores in place; returns what was added to every class logit.

    The shift is the largest with which absent queries, on programmes of their own seeds, raise fewer false alarms than
    the target at the default thresholds. The order of scores, and with it R1, does not change.
    """
    tuning = replace(recipe, programme_frames=recipe.tuning_frames)
    cases: list[Case] = []
    seeds = range(TUNING_SEEDS, TUNING_SEEDS + recipe.tuning_programmes)
    for programme in programmes(seeds, tuning, model, progress):
        rng = np.random.default_rng([recipe.seed, programme.seed])
        absent = [asked for asked in choose_queries(programme, recipe.tuning_absent, rng) if not asked[1]]
        cases += watch(programme, absent, model, held_out=False, rng=rng)
    shift = best_shift(cases, Query("tuning", "tuning"), TARGET_ALARMS_PER_HOUR)
    progress.console.print(f"class scores are shifted by {shift:+.2f}")
    with torch.no_grad():
        model.r2.class_head.module["3"].get_parameter("bias").add_(shift)
    return shift


def best_shift(absent: Sequence[Case], query: Query, target_per_hour: float) -> float:
    """The largest shift of class logits with which `absent` cases raise at most that many alarms, by bisection."""
    low, high = _SHIFTS
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        alarms_per_hour = score_live([shifted(case, middle) for case in absent], query).alarms_per_hour
        low, high = (middle, high) if alarms_per_hour <= target_per_hour else (low, middle)
    return low


def shifted(case: Case, shift: float) -> Case:
    """The case as a model would have seen it whose class logits are higher by `shift`."""
    return replace(case, observations=[_shifted(observation, shift) for observation in case.observations])


def _shifted(observation: Observation, shift: float) -> Observation:
    spans = tuple(Span(span.start_s, span.end_s, _moved(span.score, shift)) for span in observation.spans)
    return replace(observation, spans=spans)


def _moved(score: float, shift: float) -> float:
    """The sigmoid of the score's logit plus `shift`."""
    odds = score / max(1 - score, 1e-9) * math.exp(shift)
    return odds / (1 + odds)
