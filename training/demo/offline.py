"""Retrieval offline: one window, one present query, one guess; and CLIP's own similarity beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from r2model.clip_encoder import ClipEncoder
from r2model.decode import decode_moments, groundings
from r2model.door import R2Model
from stream.broadcast import Meaning, sentences
from stream.engine import NMS_IOU
from training.demo.observe import Programme
from training.demo.windows import TextTokens, clipped_spans
from training.metrics import best_guess_iou

Array = NDArray[np.float64]
EVIDENCE_S = 1.0
"""Other moments of the same meaning count from this much of them inside the window on."""
_NOTHING = np.zeros((0, 2))


@dataclass(frozen=True)
class Guess:
    """One query in one window that answers it."""

    meaning: Meaning
    truth: Array  # [G, 2] seconds from the window's start
    spans: Array  # [M, 2] the model's, best first
    similarity: Array  # [T] CLIP's cosine of each frame with the sentence


@dataclass(frozen=True)
class _Asked:
    meaning: Meaning
    text: str
    first: int
    truth: Array


def guess(
    programme: Programme, model: R2Model, texts: TextTokens, *, held_out: bool, rng: np.random.Generator
) -> list[Guess]:
    """For every happening that lies wholly in the programme: a window around it at a random offset, and the answer."""
    asked = _questions(programme, model, held_out, rng)
    found: list[Guess] = []
    clip, frames = model.encoder(), model.config.window_frames
    for start in range(0, len(asked), 16):
        some = asked[start : start + 16]
        video = torch.stack([programme.tokens[one.first : one.first + frames] for one in some]).float()
        query, mask = texts.padded([one.text for one in some])
        with torch.no_grad():
            output = model.r2(video, query, torch.ones(video.shape[:2], dtype=torch.bool), mask)
        length_s = frames * model.config.frame_interval_s
        answers = groundings(output, [frames] * len(some), model.config.frame_interval_s, model.config.max_moments)
        for one, tokens, answer in zip(some, video, answers, strict=True):
            spans, _ = decode_moments(answer, length_s, NMS_IOU)
            similarity = clip_similarity(clip, tokens, texts(one.text))
            found.append(Guess(one.meaning, one.truth, spans[:1] if len(spans) else _NOTHING, similarity))
    return found


def _questions(programme: Programme, model: R2Model, held_out: bool, rng: np.random.Generator) -> list[_Asked]:
    interval_s, frames = model.config.frame_interval_s, model.config.window_frames
    questions = []
    for h in programme.happenings:
        low, high = int(np.ceil(h.end_s / interval_s)) - frames, int(h.start_s / interval_s)
        low, high = max(0, low), min(high, len(programme.tokens) - frames)
        if low <= high and h.end_s <= programme.length_s:
            first = int(rng.integers(low, high + 1))
            spans = clipped_spans(programme.happenings, h.meaning, first * interval_s, frames * interval_s, EVIDENCE_S)
            text = str(rng.choice(sentences(h.meaning, held_out=held_out)))
            questions.append(_Asked(h.meaning, text, first, np.array(spans)))
    return questions


def clip_similarity(clip: ClipEncoder, video: Tensor, query: Tensor) -> Array:
    """Cosine of each picture with the sentence, both as CLIP itself embeds them: `[T,K,P,C]`, `[L,K,C]` -> `[T]`."""
    similarity: Array = (clip.project_images(video) @ clip.project_text(query)).double().numpy()
    return similarity


def similarity_span(similarity: Array, quantile: float, interval_s: float) -> Array:
    """Zero-shot retrieval: the stretch around the most similar frame above a share of the range; `[1, 2]`."""
    level = similarity.min() + quantile * (similarity.max() - similarity.min())
    first = last = int(similarity.argmax())
    while first > 0 and similarity[first - 1] >= level:
        first -= 1
    while last + 1 < len(similarity) and similarity[last + 1] >= level:
        last += 1
    return np.array([[first * interval_s, (last + 1) * interval_s]])


def best_similarity_spans(guesses: Sequence[Guess], interval_s: float) -> tuple[list[Array], float]:
    """CLIP's spans with the threshold that suits these very data best, and that threshold."""

    def spans(quantile: float) -> list[Array]:
        return [similarity_span(one.similarity, quantile, interval_s) for one in guesses]

    truths = [one.truth for one in guesses]
    best = max(np.arange(0.3, 0.96, 0.05), key=lambda q: float((best_guess_iou(spans(float(q)), truths) >= 0.5).mean()))
    return spans(float(best)), float(best)
