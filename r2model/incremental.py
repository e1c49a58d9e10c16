"""Grounding a window that moves: what can be kept from one tick to the next is, and all queries run in one batch.

Two forms, both equal to `R2Tuning` on the whole window:

- *cached*, for weights without TEF: a frame is projected once, when it comes, and pooled once for each query; a query
  that joins later is pooled over the frames held. Left for each tick are the temporal layers and the heads.
- *rerun*, for weights with TEF, which tie every token to the window's length: raw tokens are kept, and each tick
  projects the window once for all its queries.

Letters: S streams, B queries, T frames of a window, K layers, P tokens of a picture, C their channels, L words, D
channels inside, R rows of a pooled table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from r2model.decode import groundings
from r2model.door import R2Model
from r2model.outputs import Grounding

Item = TypeVar("Item")
POOL_BUDGET = 1024
"""Frames times queries pooled at a time: bounds the memory of a backfill."""


@dataclass(frozen=True, eq=False)
class PreparedQuery:
    """A sentence, embedded once. Recognised by identity: prepare a sentence once and keep it."""

    words: Tensor  # [L, K, D]


@dataclass(eq=False)
class _Pooled:
    """What each query of a window has seen of its frames: `table[rows[query], slot]`."""

    rows: dict[PreparedQuery, int]
    table: Tensor  # [R, capacity, K, D]
    seen: int
    """Frames since the last `clear` that the table covers."""


@dataclass(eq=False)
class Window:
    """The last frames of one stream, as a ring of at most `capacity`."""

    capacity: int
    frames: int = 0
    """Frames held, at most `capacity`."""
    _appended: int = 0
    _slots: Tensor | None = None  # [capacity, K, P, D], raw tokens [capacity, K, P, C] in the rerun form
    _pooled: _Pooled | None = None

    @property
    def bytes(self) -> int:
        """Memory held: fixed by the capacity, plus a fixed amount per query."""
        held = [self._slots, self._pooled.table if self._pooled else None]
        return sum(tensor.nbytes for tensor in held if tensor is not None)

    def clear(self) -> None:
        """Forget all frames, as after a gap. The memory stays for those to come."""
        self.frames = self._appended = 0
        if self._pooled:
            self._pooled.seen = 0

    def _push(self, row: Tensor) -> None:
        if self._slots is None:
            self._slots = row.new_empty(self.capacity, *row.shape)
        self._slots[self._appended % self.capacity] = row
        self._appended += 1
        self.frames = min(self._appended, self.capacity)

    def _newest(self, frames: int, device: torch.device) -> Tensor:
        """Slots of the newest frames, oldest first: `[frames]`."""
        return torch.arange(self._appended - frames, self._appended, device=device) % self.capacity

    def _held(self, slots: Tensor) -> Tensor:
        assert self._slots is not None, "a window without frames was asked for some"
        return self._slots[slots]


@dataclass
class _Job:
    """Frames of one window that some of its queries have not seen."""

    window: Window
    slots: Tensor
    query: PreparedQuery
    row: int


@dataclass
class _Batch:
    """Queries of any windows, on their way to one run of the temporal layers."""

    pooled: list[Tensor] = field(default_factory=list)  # [T, K, D] each
    words: list[Tensor] = field(default_factory=list)  # [L, K, D] each


class IncrementalGrounder:
    """Grounds standing queries in moving windows. One thread at a time."""

    def __init__(self, model: R2Model, max_batch: int = 16) -> None:
        """`max_batch`: queries that run together; more are split, which bounds memory and changes no result."""
        self.model = model
        self.max_batch = max_batch
        self.cached = not model.config.use_tef

    @torch.no_grad()
    def prepare(self, text_tokens: Tensor) -> PreparedQuery:
        """Embed a sentence's CLIP tokens `[L,N,C]`."""
        r2 = self.model.r2
        return PreparedQuery(r2.embed_query(text_tokens.to(r2.coef)))

    def new_window(self) -> Window:
        """An empty window of the length the model was trained for."""
        return Window(self.model.config.window_frames)

    @torch.no_grad()
    def append(self, windows: Sequence[Window], tokens: Tensor) -> None:
        """Give each of S windows its next frame: CLIP tokens `[S,N,P,C]`, N >= K."""
        r2 = self.model.r2
        tokens = tokens.to(r2.coef)
        rows = r2.embed_video(tokens) if self.cached else tokens[:, -r2.config.layers :]
        for window, row in zip(windows, rows, strict=True):
            window._push(row)

    @torch.no_grad()
    def ground(self, requests: Sequence[tuple[Window, Sequence[PreparedQuery]]]) -> list[list[Grounding]]:
        """Ground each window's queries over the frames it holds, in one batch across all windows.

        Queries may differ from call to call. What is kept for a query is dropped when a call leaves it out.

        Raises:
            ValueError: a window holds no frame yet.
        """
        if any(window.frames == 0 for window, _ in requests):
            raise ValueError("a window without frames cannot be grounded: append some first")
        if self.cached:
            try:
                self._pool_unseen(requests)
            except BaseException:
                # Out of memory, say: what is in the tables is half done, and all of it is to be pooled again.
                for window, _ in requests:
                    window._pooled = None
                raise
        found: list[Grounding] = []
        batch = _Batch()
        for window, queries in requests:
            for pooled, query in zip(self._seen(window, queries), queries, strict=True):
                batch.pooled.append(pooled)
                batch.words.append(query.words)
                if len(batch.pooled) == self.max_batch:
                    found += self._run(batch)
                    batch = _Batch()
        found += self._run(batch)
        answers = iter(found)
        return [[next(answers) for _ in queries] for _, queries in requests]

    def _run(self, batch: _Batch) -> list[Grounding]:
        """The temporal layers and the heads, on rows padded to the longest and masked."""
        if not batch.pooled:
            return []
        config = self.model.config
        frames = [len(rows) for rows in batch.pooled]
        (pooled, video_mask), (words, query_mask) = _pad(batch.pooled), _pad(batch.words)
        output = self.model.r2.temporal(pooled, words, video_mask, query_mask)
        return groundings(output, frames, config.frame_interval_s, config.max_moments)

    def _seen(self, window: Window, queries: Sequence[PreparedQuery]) -> Iterator[Tensor]:
        """What each query sees in the window's frames, oldest first: `[T,K,D]` each."""
        order = window._newest(window.frames, self.model.device)
        if self.cached:
            kept = window._pooled
            assert kept is not None
            yield from (kept.table[kept.rows[query], order] for query in queries)
            return
        v = self.model.r2.embed_video(window._held(order)[None], order.new_tensor([window.frames]))
        for some in _chunks(queries, POOL_BUDGET // window.frames):
            yield from self._pool(v, some, order.new_zeros(len(some)))

    def _pool_unseen(self, requests: Sequence[tuple[Window, Sequence[PreparedQuery]]]) -> None:
        """Bring every table up to date: old queries see the new frames, new queries all frames."""
        jobs: dict[int, list[_Job]] = {}  # by number of frames, so that windows share a batch
        for window, queries in requests:
            for job in self._unseen(window, queries):
                jobs.setdefault(len(job.slots), []).append(job)
        for frames, same in jobs.items():
            for some in _chunks(same, POOL_BUDGET // frames):
                windows = list(dict.fromkeys(job.window for job in some))
                first = {job.window: job.slots for job in some}
                place = torch.tensor([windows.index(job.window) for job in some], device=self.model.device)
                v = torch.stack([window._held(first[window]) for window in windows])
                for job, pooled in zip(some, self._pool(v, [job.query for job in some], place), strict=True):
                    assert job.window._pooled is not None
                    job.window._pooled.table[job.row, job.slots] = pooled

    def _unseen(self, window: Window, queries: Sequence[PreparedQuery]) -> list[_Job]:
        """Make the window's table hold exactly these queries and list what is missing in it."""
        before = window._pooled
        stay = set(before.rows).intersection(queries) if before else set()
        if before is None or before.rows.keys() != set(queries):
            before = window._pooled = self._table_for(window, before, list(dict.fromkeys(queries)))
        fresh = min(window._appended - before.seen, window.frames)
        before.seen = window._appended
        slots = {n: window._newest(n, self.model.device) for n in (fresh, window.frames)}
        missing = {query: fresh if query in stay else window.frames for query in before.rows}
        return [_Job(window, slots[n], query, before.rows[query]) for query, n in missing.items() if n]

    def _table_for(self, window: Window, before: _Pooled | None, queries: list[PreparedQuery]) -> _Pooled:
        """A table for other queries, with the rows of those that stay."""
        r2 = self.model.r2
        table = r2.coef.new_empty(len(queries), window.capacity, r2.config.layers, r2.config.hidden)
        for row, query in enumerate(queries):
            if before and query in before.rows:
                table[row] = before.table[before.rows[query]]
        return _Pooled({query: row for row, query in enumerate(queries)}, table, before.seen if before else 0)

    def _pool(self, v: Tensor, queries: Sequence[PreparedQuery], window_of_query: Tensor) -> Tensor:
        """`v [W,T,K,P,D]` for B queries -> `[B,T,K,D]`."""
        words, mask = _pad([query.words for query in queries])
        return self.model.r2.pool(v, words, mask, window_of_query)


def _pad(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows `[n_i,...]` as one batch `[B,max n,...]` and its mask `[B,max n]`."""
    lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
    batch = pad_sequence(list(rows), batch_first=True)
    return batch, torch.arange(batch.shape[1], device=batch.device) < lengths[:, None]


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    size = max(size, 1)
    return (items[i : i + size] for i in range(0, len(items), size))
