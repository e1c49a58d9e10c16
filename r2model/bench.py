"""What a tick costs: R² rerun on the whole window, R² in the incremental form, and CLIP's bare image encoder.

Weights and tokens are random, which does not change the cost. Everything is measured in one process, one after the
other, and `python -m r2model.bench` prints it with the ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
from torch import Tensor

from r2model.clip_encoder import ClipEncoder
from r2model.config import ClipConfig, R2Config
from r2model.door import R2Model
from r2model.incremental import IncrementalGrounder
from r2model.model import R2Tuning


@dataclass(frozen=True)
class BenchSettings:
    """Sizes of ViT-B/32 and of QVHighlights' window, unless changed."""

    r2: R2Config = field(default_factory=lambda: R2Config(use_tef=False))
    clip: ClipConfig = field(default_factory=lambda: ClipConfig("ViT-B-32"))
    patches: int = 50
    """Tokens of a picture, P."""
    words: int = 12
    """Tokens of a query, L."""
    queries: tuple[int, ...] = (1, 10, 100)
    repetitions: int = 5
    """The median of so many is taken; a rerun of more than 10 queries is measured once."""
    dtype: torch.dtype = torch.float32
    device: str = "cpu"


@dataclass(frozen=True)
class Row:
    """One measured line."""

    what: str
    queries: int | None
    tick_ms: float
    """Time from a new frame's tokens to all answers; for the encoder, from its pixels to its embedding."""
    times_cheaper: float | None = None
    """Rerun's time over this one, for as many queries."""
    encoder_share: float | None = None
    """Bare encoder's time over encoder and R² together: 1 would mean that R² is free."""
    difference: float | None = None
    """Largest difference of saliency or score from the rerun."""


def run_bench(settings: BenchSettings, report: Callable[[str], None] = lambda what: None) -> list[Row]:
    """Measure everything; `report` is told what is being measured."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        report("CLIP image encoder")
        encoder_ms = _encoder_ms(settings)
        rows = [Row(f"bare {settings.clip.architecture} encoder", None, encoder_ms)]
        ticks = _Ticks(settings)
        for queries in settings.queries:
            report(f"rerun, {queries} queries")
            rerun_ms = _median_ms(partial(ticks.rerun, queries), settings, 1 if queries > 10 else None)
            rows.append(Row("R² rerun", queries, rerun_ms, 1.0, encoder_ms / (encoder_ms + rerun_ms)))
            report(f"incremental, {queries} queries")
            difference = ticks.difference(queries)
            tick_ms = _median_ms(partial(ticks.incremental, queries), settings)
            share = encoder_ms / (encoder_ms + tick_ms)
            rows.append(Row("R² incremental", queries, tick_ms, rerun_ms / tick_ms, share, difference))
    return rows


class _Ticks:
    """A full window, and the two ways to answer for it when the next frame has come."""

    def __init__(self, settings: BenchSettings) -> None:
        config = settings.r2
        r2 = R2Tuning(config)
        torch.nn.init.normal_(r2.adapter.scale)  # an untrained one is 0, and the difference would show nothing
        r2.to(settings.device, settings.dtype)
        self.model = R2Model(config, r2)
        self.grounder = IncrementalGrounder(self.model)
        self.window = self.grounder.new_window()
        self.video = _random(settings, config.window_frames, config.layers, settings.patches, config.video_width)
        shape = settings.words, config.layers, config.query_width
        self.texts = [_random(settings, *shape) for _ in range(max(settings.queries))]
        self.queries = [self.grounder.prepare(text) for text in self.texts]
        for frame in self.video:
            self.grounder.append([self.window], frame[None])

    def rerun(self, queries: int) -> None:
        """The whole network on the whole window, for each query."""
        for text in self.texts[:queries]:
            self.model.ground(self.video, text)

    def incremental(self, queries: int) -> None:
        """One new frame, all queries."""
        self.grounder.append([self.window], self.video[:1])
        self.grounder.ground([(self.window, self.queries[:queries])])

    def difference(self, queries: int) -> float:
        """Fill the window with the video again and compare the last of the queries."""
        for frame in self.video:
            self.grounder.append([self.window], frame[None])
        ours = self.grounder.ground([(self.window, self.queries[:queries])])[0][-1]
        theirs = self.model.ground(self.video, self.texts[queries - 1])
        pairs = (ours.saliency, theirs.saliency), (ours.scores, theirs.scores)
        return max((a - b).abs().max().item() for a, b in pairs if len(a))


def _encoder_ms(settings: BenchSettings) -> float:
    encoder = ClipEncoder.from_config(settings.clip, settings.r2.layers)
    model = encoder.model.to(settings.device, settings.dtype)
    pixels = _random(settings, 1, 3, *settings.clip.image_px)
    with torch.no_grad():
        return _median_ms(lambda: model.encode_image(pixels), settings)


def _random(settings: BenchSettings, *shape: int) -> Tensor:
    return torch.randn(*shape).to(settings.device, settings.dtype)


def _median_ms(work: Callable[[], object], settings: BenchSettings, repetitions: int | None = None) -> float:
    """Median time of `work`; run once beforehand unless it is measured only once."""
    if repetitions is None:
        work()
    spent = []
    for _ in range(repetitions or settings.repetitions):
        start = time.perf_counter()
        work()
        if settings.device.startswith("cuda"):
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - start)
    return 1000 * statistics.median(spent)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m r2model.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--bfloat16", action="store_true", help="measure in bfloat16 instead of float32")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, …")
    given = parser.parse_args(arguments)
    settings = BenchSettings(dtype=torch.bfloat16 if given.bfloat16 else torch.float32, device=given.device)
    print_bench(settings, as_json=given.json)


def print_bench(settings: BenchSettings, *, as_json: bool = False) -> None:
    """Measure and print a table with the ratios, or JSON on one line."""
    from rich.console import Console
    from rich.table import Table

    progress = Console(stderr=True)
    with progress.status("measuring …") as status:
        rows = run_bench(settings, lambda what: status.update(f"measuring {what} …"))
    if as_json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows]) + "\n")
        return
    r2, dtype = settings.r2, str(settings.dtype).removeprefix("torch.")
    table = Table(
        title=f"one tick, T={r2.window_frames}, {dtype}, {settings.device}, {torch.get_num_threads()} threads"
    )
    for title in ("", "queries", "ms", "times cheaper", "of bare frames/s", "difference"):
        table.add_column(title, justify="right" if title else "left")
    for row in rows:
        table.add_row(
            row.what,
            "" if row.queries is None else str(row.queries),
            f"{row.tick_ms:.1f}",
            "" if row.times_cheaper is None else f"{row.times_cheaper:.1f}x",
            "" if row.encoder_share is None else f"{row.encoder_share:.0%}",
            "" if row.difference is None else f"{row.difference:.0e}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
