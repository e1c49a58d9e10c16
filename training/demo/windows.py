"""Training batches for live use: windows cut at random offsets, moments cut by their edges, absent queries.

Legend: W windows, B rows (one query in one window), T frames, G moments, L words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from r2model.clip_encoder import ClipEncoder
from stream.broadcast import Happening, Meaning, sentences
from stream.broadcast.language import HELD_OUT_OBJECTS, KINDS, all_meanings, wishes
from training.demo.programmes import Programmes
from training.demo.recipe import Recipe
from training.targets import GroundTruth

VAGUE = 0.25
"""Share of queries that ask for something of the kind ("something grows"), present and absent alike."""
SIBLINGS = {"cross_left": "cross_right", "rise": "fall", "grow": "shrink", "appear": "vanish", "meet": "part",
            "goal": "miss", "drive_left": "drive_right", "yellow_card": "red_card", "rain": "snow", "spin": "bounce",
            "blink": "split", "celebrate": "corner", "orbit": "meet", "launch": "balloon"}  # fmt: skip
"""Kinds that look alike: the absent queries worth learning from."""


@dataclass(frozen=True)
class Batch:
    """Everything one step of training needs."""

    video: Tensor  # [W, T, K, P, C]
    video_mask: Tensor  # [W, T]
    query: Tensor  # [B, L, K, C]
    query_mask: Tensor  # [B, L]
    window_of_query: Tensor  # [B]
    truth: GroundTruth


@dataclass(frozen=True)
class Row:
    """One query in one window: what it asks, its words, and its moments in frames of the window."""

    window: int
    wish: Meaning
    text: str
    spans: tuple[tuple[float, float], ...]


class TextTokens:
    """CLIP tokens of sentences, each encoded once."""

    def __init__(self, clip: ClipEncoder) -> None:
        self._clip = clip
        self._known: dict[str, Tensor] = {}

    def __call__(self, text: str) -> Tensor:
        """`[L, K, C]`."""
        if text not in self._known:
            self._known[text] = self._clip.encode_text(text).float()
        return self._known[text]

    def padded(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens `[B, L, K, C]` padded with zeros, and their mask `[B, L]`."""
        tokens = [self(text) for text in texts]
        words = torch.tensor([len(t) for t in tokens])
        query = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
        return query, torch.arange(query.shape[1]) < words[:, None]


def clipped_spans(
    happenings: Sequence[Happening], wish: Meaning, start_s: float, length_s: float, evidence_s: float
) -> list[tuple[float, float]]:
    """Spans of `wish` within a window, in seconds from its start; slivers shorter than `evidence_s` are left out."""
    spans = []
    for h in happenings:
        if h.meaning.matches(wish):
            span = (max(0.0, h.start_s - start_s), min(length_s, h.end_s - start_s))
            if span[1] - span[0] >= min(evidence_s, 0.5 * (h.end_s - h.start_s)):
                spans.append(span)
    return spans


class WindowSampler:
    """Batch `step`, decided by the recipe's seed and the step alone."""

    def __init__(self, recipe: Recipe, programmes: Programmes, clip: ClipEncoder) -> None:
        self.recipe, self.programmes = recipe, programmes
        self.texts = TextTokens(clip)
        self._by_kind: dict[str, list[Meaning]] = {kind: [] for kind in KINDS}
        for meaning in all_meanings():
            if not any((thing.colour, thing.shape) in HELD_OUT_OBJECTS for thing in meaning.things):
                self._by_kind[meaning.kind].append(meaning)
        self._shown: dict[str, list[tuple[int, Happening]]] = {}
        for number, truth in enumerate(programmes.truth):
            for happening in truth:
                self._shown.setdefault(happening.meaning.kind, []).append((number, happening))
        self._kinds = sorted(self._shown)
        often = np.sqrt([len(self._shown[kind]) for kind in self._kinds])
        self._chances = often / often.sum()

    def __call__(self, step: int) -> Batch:
        recipe, rng = self.recipe, np.random.default_rng([self.recipe.seed, 3, step])
        windows, masks, rows, active = [], [], [], []
        for w in range(recipe.windows_per_step):
            length = self._length(rng)
            programme, first = self._place(rng, length)
            tokens = torch.zeros(recipe.window_frames, *self.programmes.tokens.shape[2:])
            tokens[:length] = torch.from_numpy(self.programmes.tokens[programme, first : first + length]).float()
            windows.append(tokens)
            masks.append(torch.arange(recipe.window_frames) < length)
            start_s = first * recipe.frame_interval_s
            inside = _within(self.programmes.truth[programme], start_s, length * recipe.frame_interval_s)
            active.append((inside, start_s, length))
            rows += self._rows(rng, w, inside, start_s, length)
        return self._collate(rng, torch.stack(windows), torch.stack(masks), rows, active)

    def _length(self, rng: np.random.Generator) -> int:
        """Most windows are full; some belong to a stream that has only just begun."""
        full = self.recipe.window_frames
        return full if rng.uniform() >= self.recipe.short_windows else int(rng.integers(6, full))

    def _place(self, rng: np.random.Generator, length: int) -> tuple[int, int]:
        """A programme and the window's first frame: anywhere, or where something of a drawn kind is at least begun.

        A kind's chance grows with the root of how often it comes, so that rare ones are seen more often than that.
        """
        last = self.recipe.programme_frames - length
        if rng.uniform() >= self.recipe.rare_windows:
            return int(rng.integers(len(self.programmes.truth))), int(rng.integers(last + 1))
        among = self._shown[self._kinds[rng.choice(len(self._kinds), p=self._chances)]]
        programme, happening = among[rng.integers(len(among))]
        end_s = rng.uniform(happening.start_s, happening.end_s + length * self.recipe.frame_interval_s)
        return programme, int(np.clip(round(end_s / self.recipe.frame_interval_s) - length, 0, last))

    def _rows(
        self, rng: np.random.Generator, window: int, inside: list[Happening], start_s: float, length: int
    ) -> list[Row]:
        count, length_s = self.recipe.queries_per_window, length * self.recipe.frame_interval_s
        present = self._present(rng, inside, start_s, length_s)[: max(1, round(0.65 * count))]
        evidence_s = self.recipe.evidence_s
        # What has hardly begun, or is hardly seen any more, is nothing yet: that has to be learnt as well.
        slivers = [h.meaning for h in inside if not clipped_spans(inside, h.meaning, start_s, length_s, evidence_s)]
        wishes_here = [*present, *slivers[-2:]][:count]
        wishes_here += [self._absent(rng, inside) for _ in range(count - len(wishes_here))]
        rows = []
        for wish in wishes_here:
            spans = clipped_spans(inside, wish, start_s, length_s, evidence_s)
            frames = tuple((a / self.recipe.frame_interval_s, b / self.recipe.frame_interval_s) for a, b in spans)
            rows.append(Row(window, wish, str(rng.choice(sentences(wish))), frames))
        return rows

    def _present(
        self, rng: np.random.Generator, inside: list[Happening], start_s: float, length_s: float
    ) -> list[Meaning]:
        """Different queries that the window answers, in random order; each kind comes once before any comes twice."""
        found: dict[Meaning, None] = {}
        for h in sorted(inside, key=lambda _: rng.uniform()):
            wish = wishes(h.meaning)[-1 if rng.uniform() < VAGUE else 0]
            if clipped_spans([h], wish, start_s, length_s, self.recipe.evidence_s):
                found[wish] = None
        first: dict[str, Meaning] = {}
        for wish in found:
            first.setdefault(wish.kind, wish)
        return list(dict.fromkeys([*first.values(), *found]))

    def _absent(self, rng: np.random.Generator, inside: list[Happening]) -> Meaning:
        """A query that nothing in the window answers, half of the time close to something that is there."""
        for _ in range(50):
            kind = str(rng.choice(KINDS))
            wish = self._by_kind[kind][rng.integers(len(self._by_kind[kind]))]
            if inside and rng.uniform() < 0.6:
                wish = self._close_to(rng, inside[rng.integers(len(inside))].meaning, wish)
            wish = wishes(wish)[-1 if rng.uniform() < VAGUE else 0]
            if not any(h.meaning.matches(wish) for h in inside):
                return wish
        return Meaning("sunrise")  # pragma: no cover - 50 draws from 2,000 meanings never all hit

    def _close_to(self, rng: np.random.Generator, meaning: Meaning, otherwise: Meaning) -> Meaning:
        """The same kind with another thing, or the same thing in a similar kind."""
        siblings = SIBLINGS | {b: a for a, b in SIBLINGS.items()}
        sibling = siblings.get(meaning.kind)
        if rng.uniform() < 0.5 and sibling is not None:
            same = Meaning(sibling, meaning.things)
            return same if same in self._by_kind[sibling] else otherwise
        options = self._by_kind[meaning.kind]
        return options[rng.integers(len(options))] if len(options) > 1 else otherwise

    def _collate(
        self, rng: np.random.Generator, video: Tensor, mask: Tensor, rows: list[Row],
        active: list[tuple[list[Happening], float, int]],
    ) -> Batch:  # fmt: skip
        frames, count = video.shape[1], len(rows)
        most = max(1, max(len(row.spans) for row in rows))
        boundaries, boundary_mask = torch.zeros(count, most, 2), torch.zeros(count, most, dtype=torch.bool)
        saliency, positive = torch.zeros(count, frames), torch.zeros(count, dtype=torch.long)
        for b, row in enumerate(rows):
            for g, (start, end) in enumerate(row.spans):
                boundaries[b, g] = torch.tensor([start, end])
                boundary_mask[b, g] = True
                saliency[
                    b, int(np.floor(start + 0.5)) : max(int(np.floor(start + 0.5)) + 1, int(np.floor(end + 0.5)))
                ] = 1
            salient = saliency[b].nonzero()[:, 0]
            positive[b] = salient[rng.integers(len(salient))] if len(salient) else 0
        query, query_mask = self.texts.padded([row.text for row in rows])
        window_of_query = torch.tensor([row.window for row in rows])
        truth = GroundTruth(boundaries, boundary_mask, saliency, positive, mask[window_of_query],
                            boundary_mask.any(1), self._negatives(rows, positive, active))  # fmt: skip
        return Batch(video, mask, query, query_mask, window_of_query, truth)

    def _negatives(self, rows: list[Row], positive: Tensor, active: list[tuple[list[Happening], float, int]]) -> Tensor:
        """`[i, j]` True when query j is false in row i's window at its positive frame."""
        negatives = torch.ones(len(rows), len(rows), dtype=torch.bool)
        for i, row in enumerate(rows):
            happenings, start_s, _ = active[row.window]
            from_s = start_s + float(positive[i]) * self.recipe.frame_interval_s
            now = [h.meaning for h in _within(happenings, from_s, self.recipe.frame_interval_s)]
            for j, other in enumerate(rows):
                negatives[i, j] = not any(meaning.matches(other.wish) for meaning in now)
        return negatives


def _within(happenings: Sequence[Happening], start_s: float, length_s: float) -> list[Happening]:
    return [h for h in happenings if h.end_s > start_s and h.start_s < start_s + length_s]
