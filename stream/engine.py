"""The model at work: windows of all streams on one device, every due query of every due stream in one batch.

The only module of `stream` that knows `r2model` and torch. No thread, no clock: time comes in with the frames, so that
watching live and replaying a file are the same computation. `stream.engine_thread` drives it live.

Letters in shapes: S streams (one frame each), K CLIP layers, P tokens of a picture, C their channels.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from r2model.checkpoint import load_model
from r2model.decode import decode_moments
from r2model.door import R2Model
from r2model.errors import CheckpointError, QueryError
from r2model.incremental import IncrementalGrounder, PreparedQuery, Window
from r2model.outputs import Grounding
from stream.errors import ConfigError, R2StreamError
from stream.sampler import MAX_REPEATED_FRAMES
from stream.types import Clock, Frame, Gap, Observation, Span

NMS_IOU = 0.5
"""Spans of one grounding that overlap a better one by this much are the same happening."""

SCORE_FLOOR = 0.02
"""Spans below it are left out: no useful threshold is this low, and most of a window's spans are."""

TEXTS_KEPT = 1024
"""Encoded sentences kept for the next stream or replay that asks for the same one; the least recently used goes."""


class ModelError(R2StreamError):
    """The model file cannot be used; the message says what to do."""

    default_code = "bad_model"


class TextError(ConfigError):
    """The sentence cannot be watched for: the model cannot read it."""

    default_code = "bad_text"


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as the windows hold it."""

    stream: str
    epoch: int
    index: int
    media_time_s: float
    wall_time_s: float
    clock: Clock
    tokens: Tensor = field(repr=False)  # [K, P, C]


@dataclass
class _Watch:
    """One stream: its window, its queries by name, and its newest frame."""

    window: Window
    queries: dict[str, PreparedQuery] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    newest: EncodedFrame | None = None


@dataclass
class HeldWindow:
    """A copy of what one stream's window held at some time; whatever comes later changes nothing in it.

    `Engine.look_back` goes through it once, from its oldest frame on.
    """

    newest: EncodedFrame
    frames: int
    watch: _Watch = field(repr=False)
    looked: int = 0
    """Frames that `look_back` has gone through."""


def load_engine(path_or_name: str | os.PathLike[str], *, device: str = "cpu") -> Engine:
    """An engine with the model of that name or file, its CLIP included. Raises ModelError."""
    try:
        model = load_model(path_or_name)
        if model.clip is None and (model.config.clip is None or model.config.clip.pretrained is None):
            raise ModelError(
                f"{path_or_name} comes without a CLIP and is of no size whose CLIP is known: it can ground tokens, but "
                "not watch video; take a published file, or one that holds its CLIP"
            )
        model.encoder()
    except CheckpointError as error:
        raise ModelError(str(error)) from error
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        todo = "set device: cpu, or install PyTorch for this device"
        raise ModelError(f"the device {device!r} cannot be used ({reason}): {todo}") from error
    return Engine(model, name=Path(path_or_name).stem)


class Engine:
    """Frames in, observations out. Not thread-safe: one thread owns it and the device below it."""

    def __init__(self, model: R2Model, *, name: str = "model") -> None:
        """`name` is what events call the model."""
        self.name = name
        self.frame_interval_s = model.config.frame_interval_s
        self.window_frames = model.config.window_frames
        self.device = str(model.device)
        self._model = model
        self._grounder = IncrementalGrounder(model)
        self._watches: dict[str, _Watch] = {}
        self._prepared: OrderedDict[str, PreparedQuery] = OrderedDict()

    @property
    def streams(self) -> frozenset[str]:
        """Streams that have a window."""
        return frozenset(self._watches)

    @property
    def window_bytes(self) -> int:
        """Memory that the windows of all streams hold now."""
        return sum(watch.window.bytes for watch in self._watches.values())

    def bytes_for(self, queries_per_stream: Sequence[int]) -> int:
        """Memory that the windows of that many streams, each with so many sentences, hold from their first frame on."""
        config = self._model.config
        height, width = config.clip.image_px if config.clip else (1, 1)
        window = self._grounder.new_window()
        self._grounder.append([window], self._model.encode_images(np.zeros((1, height, width, 3), np.uint8)))
        bare = window.bytes
        word = torch.zeros(1, config.layers, config.query_width)
        self._grounder.ground([(window, [self._grounder.prepare(word)])])
        return sum(bare + queries * (window.bytes - bare) for queries in queries_per_stream)

    def check_text(self, text: str) -> None:
        """Raises TextError when the model cannot read the sentence."""
        self._prepare(text)

    def add_stream(self, stream: str) -> None:
        """Give a stream an empty window. Raises ValueError when it has one."""
        if stream in self._watches:
            raise ValueError(f"the stream {stream!r} is there already")
        self._watches[stream] = _Watch(self._grounder.new_window())

    def remove_stream(self, stream: str) -> None:
        """Forget a stream and free its window. Raises KeyError when it is not there."""
        del self._watches[stream]

    def clear(self, stream: str) -> None:
        """The time axis of this stream breaks: start with an empty window."""
        watch = self._watches[stream]
        watch.window.clear()
        watch.newest = None

    def set_queries(self, stream: str, texts: Mapping[str, str]) -> list[Observation]:
        """Watch exactly these sentences, by query name, from now on.

        Returns what those that are new, or whose text is, find in the window already held.

        Raises:
            TextError: for a sentence that the model cannot read; nothing has changed then.
        """
        watch = self._watches[stream]
        prepared = {name: self._prepare(text) for name, text in texts.items()}
        new = {name for name, text in texts.items() if watch.texts.get(name) != text}
        watch.queries, watch.texts = prepared, dict(texts)
        if not new:
            return []
        # All of them, for the grounder forgets what it keeps for those that are left out.
        return [seen for seen in self._ground([(watch, prepared)]) if seen.query in new]

    def copy_window(self, stream: str) -> HeldWindow | None:
        """What a stream's window holds now, to `look_back` on; None where it holds nothing, or there is no stream.

        Takes as much memory as the frames held, until the copy is dropped.
        """
        watch = self._watches.get(stream)
        if watch is None or watch.newest is None:
            return None
        window = watch.window
        # Oldest first, so that the first n rows are the window as it was after n frames. Indexing makes a copy.
        rows = window._held(window._newest(window.frames, self._model.device))
        return HeldWindow(watch.newest, window.frames, _Watch(Window(window.capacity, _slots=rows)))

    def look_back(self, held: HeldWindow, texts: Mapping[str, str]) -> list[Observation]:
        """What these sentences, by name, would have seen after the next frame of a copied window.

        As if the stream had begun with the oldest frame held. No stream's window and queries take part.

        Raises:
            TextError: for a sentence that the model cannot read.
            ValueError: when the copy has been gone through.
        """
        if held.looked >= held.frames:
            raise ValueError("this window has been gone through; copy it again")
        watch, prepared = held.watch, {name: self._prepare(text) for name, text in texts.items()}
        held.looked += 1
        watch.window.frames = watch.window._appended = held.looked
        back = held.frames - held.looked
        watch.newest = replace(
            held.newest,
            index=held.newest.index - back,
            media_time_s=held.newest.media_time_s - back * self.frame_interval_s,
            wall_time_s=held.newest.wall_time_s - back * self.frame_interval_s,
        )
        return self._ground([(watch, prepared)])

    def process(self, items: Sequence[Frame | Gap]) -> list[Observation | Gap]:
        """Take frames of any streams, each stream's in its order, and say what every query sees after each frame.

        Gaps come back at their place among the observations, and so do breaks that show in the frames themselves.
        """
        return self.advance(self.encode(items))

    def encode(self, items: Sequence[Frame | Gap]) -> list[EncodedFrame | Gap]:
        """The CLIP half of `process`, one batch over all frames. Changes nothing."""
        images = {id(item.image): item.image for item in items if isinstance(item, Frame)}
        if not images:
            return [item for item in items if isinstance(item, Gap)]
        tokens = self._model.encode_images(list(images.values()))  # [S, K, P, C]
        row_of = {image: row for row, image in enumerate(images)}
        return [item if isinstance(item, Gap) else _encoded(item, tokens[row_of[id(item.image)]]) for item in items]

    def advance(self, items: Sequence[EncodedFrame | Gap]) -> list[Observation | Gap]:
        """The R² half of `process`: windows move on one frame at a time, all streams together."""
        return [result for step in _steps(items) for result in self._step(step)]

    def _step(self, items: Sequence[EncodedFrame | Gap]) -> list[Observation | Gap]:
        """At most one item for each stream."""
        out: list[Observation | Gap] = []
        frames: list[EncodedFrame] = []
        for item in items:
            gap = item if isinstance(item, Gap) else self._break_before(item)
            if gap is not None:
                self.clear(gap.stream)
                out.append(gap)
            if isinstance(item, EncodedFrame):
                self._fill_up_to(item)
                frames.append(item)
        if not frames:
            return out
        watches = [self._watches[frame.stream] for frame in frames]
        self._grounder.append([watch.window for watch in watches], torch.stack([frame.tokens for frame in frames]))
        for watch, frame in zip(watches, frames, strict=True):
            watch.newest = frame
        return [*out, *self._ground([(watch, watch.queries) for watch in watches])]

    def _break_before(self, frame: EncodedFrame) -> Gap | None:
        """A break that nobody has announced: frames were dropped on the way here, or belong to another epoch."""
        newest = self._watches[frame.stream].newest
        if newest is None:
            return None
        if frame.epoch != newest.epoch:
            return Gap(frame.stream, frame.epoch, "new_connection")
        missed = frame.index - newest.index - 1
        return None if 0 <= missed <= MAX_REPEATED_FRAMES else Gap(frame.stream, frame.epoch, "frames_missing")

    def _fill_up_to(self, frame: EncodedFrame) -> None:
        """A frame or two that were dropped on the way here are replaced by the one before them."""
        watch = self._watches[frame.stream]
        if watch.newest is not None:
            for _ in range(frame.index - watch.newest.index - 1):
                self._grounder.append([watch.window], watch.newest.tokens[None])

    def _ground(self, wanted: Sequence[tuple[_Watch, Mapping[str, PreparedQuery]]]) -> list[Observation]:
        """What these queries find in the windows as they are now; nothing for an empty window."""
        due = [(watch, queries) for watch, queries in wanted if queries and watch.newest is not None]
        if not due:
            return []
        # Queries of one stream with the same sentence are grounded once.
        unique = [list({id(query): query for query in queries.values()}.values()) for _, queries in due]
        requests = [(watch.window, queries) for (watch, _), queries in zip(due, unique, strict=True)]
        found = self._grounder.ground(requests)
        out = []
        for (watch, queries), prepared, groundings in zip(due, unique, found, strict=True):
            by_query = {id(query): grounding for query, grounding in zip(prepared, groundings, strict=True)}
            out += [self._observe(watch, name, by_query[id(query)]) for name, query in queries.items()]
        return out

    def _observe(self, watch: _Watch, query: str, grounding: Grounding) -> Observation:
        """From seconds in the window to media time."""
        newest = watch.newest
        assert newest is not None
        window_s = watch.window.frames * self.frame_interval_s
        now_s = newest.media_time_s + self.frame_interval_s
        strong = grounding.scores >= SCORE_FLOOR
        # Suppression goes from the best down, so that leaving out the weak first changes nothing of the rest.
        kept = Grounding(grounding.saliency, grounding.spans[strong], grounding.scores[strong])
        spans, scores = decode_moments(kept, window_s, NMS_IOU)
        start_s = now_s - window_s
        return Observation(
            stream=newest.stream,
            query=query,
            epoch=newest.epoch,
            window_start_s=start_s,
            now_s=now_s,
            wall_time_s=newest.wall_time_s + self.frame_interval_s,
            clock=newest.clock,
            spans=tuple(
                Span(start_s + float(span[0]), start_s + float(span[1]), float(score))
                for span, score in zip(spans, scores, strict=True)
            ),
            saliency=grounding.saliency.float().cpu().numpy().astype(np.float32, copy=False),
        )

    def _prepare(self, text: str) -> PreparedQuery:
        found = self._prepared.get(text)
        if found is None:
            try:
                found = self._grounder.prepare(self._model.encode_text(text))
            except QueryError as error:
                raise TextError(str(error)) from error
            self._prepared[text] = found
            if len(self._prepared) > TEXTS_KEPT:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(text)
        return found


def _encoded(frame: Frame, tokens: Tensor) -> EncodedFrame:
    return EncodedFrame(
        stream=frame.stream,
        epoch=frame.epoch,
        index=frame.index,
        media_time_s=frame.media_time_s,
        wall_time_s=frame.wall_time_s,
        clock=frame.clock,
        tokens=tokens,
    )


def _steps(items: Sequence[EncodedFrame | Gap]) -> Iterator[list[EncodedFrame | Gap]]:
    """The n-th items of all streams, for n = 0, 1, …"""
    by_stream: dict[str, list[EncodedFrame | Gap]] = {}
    for item in items:
        by_stream.setdefault(item.stream, []).append(item)
    for n in range(max(map(len, by_stream.values()), default=0)):
        yield [queue[n] for queue in by_stream.values() if n < len(queue)]
