"""The bench measures what it says, at a size that takes no time."""

from __future__ import annotations

import json

import pytest

from r2model.bench import BenchSettings, print_bench, run_bench
from r2model.clip_encoder import ClipEncoder
from r2model.config import R2Config


@pytest.fixture
def small(clip: ClipEncoder) -> BenchSettings:
    """A tiny network and CLIP, 1 and 12 queries."""
    config = R2Config(48, 32, 32, 4, layers=2, use_tef=False, window_frames=9)
    return BenchSettings(config, clip.config, patches=7, words=3, queries=(1, 12), repetitions=1)


def test_bench_compares_the_forms(small: BenchSettings) -> None:
    """Encoder, then rerun and incremental per number of queries; the two forms agree and the ratio is theirs."""
    encoder, *rows = run_bench(small)
    assert encoder.tick_ms > 0 and encoder.queries is None
    assert [(row.what, row.queries) for row in rows] == [
        (what, queries) for queries in (1, 12) for what in ("R² rerun", "R² incremental")
    ]
    for rerun, incremental in zip(rows[::2], rows[1::2], strict=True):
        assert incremental.difference is not None and incremental.difference < 1e-4
        assert incremental.times_cheaper == pytest.approx(rerun.tick_ms / incremental.tick_ms)


def test_bench_prints_a_table_or_json(small: BenchSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """The table names both forms; the JSON is one list of rows."""
    print_bench(small)
    assert "incremental" in capsys.readouterr().out
    print_bench(small, as_json=True)
    assert len(json.loads(capsys.readouterr().out)) == 5
