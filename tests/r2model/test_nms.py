"""Suppression and the benchmarks' post-processing against the published ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from r2model.decode import benchmark_moments
from r2model.nms import Suppression, interval_iou, suppress

METHODS = {
    "normal": Suppression("normal", threshold=0.7),
    "linear": Suppression("linear"),
    "gaussian": Suppression("gaussian", sigma=0.5),
    "none": None,
}


def described(config: dict[str, Any]) -> Suppression | None:
    how = config["nms_cfg"]
    if how is None:
        return None
    return Suppression(how["type"], threshold=how.get("thres", 0.7), sigma=how.get("sigma", 0.5))


def assert_same_rows(ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    """Rows with a score in the same order; the published order of rows without one (0 or NaN) is arbitrary."""
    scored = theirs[:, 2] > 0
    np.testing.assert_allclose(ours[ours[:, 2] > 0], theirs[scored], rtol=0, atol=1e-4)
    rest = [sorted(map(str, rows[~(rows[:, 2] > 0)].round(3) + 0.0)) for rows in (ours, theirs)]
    assert rest[0] == rest[1]


@pytest.fixture(scope="module")
def info() -> Any:
    return json.loads((Path(__file__).parents[1] / "data" / "golden" / "nms" / "info.json").read_text())


@pytest.mark.parametrize(
    "name",
    [
        "qvh_unit2_normal07", "charades_unit0.1_linear", "nounit_linear", "nounit_normal07", "nounit_normal05",
        "nounit_gaussian05", "unit0.1_gaussian09", "unit2_nonms", "unit0.1_nonms",
    ],
)  # fmt: skip
def test_post_processing_equals_published(golden_dir: Path, info: Any, name: str) -> None:
    """Clamping, rounding, suppression and sorting give the published rows for every benchmark's setting."""
    config = info["configs"][name]
    with np.load(golden_dir / "nms" / "nms.npz") as arrays:
        for case in range(int(arrays["num_cases"])):
            raw, duration_s = arrays[f"in.{case}"], float(arrays["durations"][case])
            spans, scores = benchmark_moments(
                raw[:, :2], raw[:, 2], duration_s, unit_s=config["unit"], how=described(config)
            )
            assert_same_rows(np.column_stack([spans, scores]), arrays[f"{name}.{case}"])


@pytest.mark.parametrize("case", ["unit2_collapse", "unit2_half_even", "unit2_end_at_duration", "outside"])
@pytest.mark.parametrize("method", list(METHODS))
def test_degenerate_intervals_behave_as_published(info: Any, case: str, method: str) -> None:
    """Rounding half to even, ends at the duration, intervals outside it and empty ones."""
    given = info["degenerate"][case]
    raw = np.array(given["boxes"], dtype=np.float32)
    spans, scores = benchmark_moments(
        raw[:, :2], raw[:, 2], given["duration"], unit_s=given["unit"], how=METHODS[method]
    )
    expected = np.array(given[method], dtype=np.float32)
    ours = np.column_stack([spans, scores])
    assert_same_rows(ours, expected)
    assert np.isnan(ours[: int(np.isnan(expected[:, 2]).sum()), 2]).all()


def test_iou_of_intervals() -> None:
    """Overlap over union; 0 when apart."""
    spans = np.array([[0.0, 4.0], [2.0, 6.0], [10.0, 12.0]])
    expected = np.array([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]])
    assert np.allclose(interval_iou(spans, spans), expected)


def test_inputs_are_not_changed() -> None:
    """Suppression leaves the caller's arrays as they were."""
    spans, scores = np.array([[0.0, 4.0], [0.0, 5.0]]), np.array([0.5, 0.9])
    suppress(spans, scores, Suppression())
    assert scores.tolist() == [0.5, 0.9] and spans.tolist() == [[0.0, 4.0], [0.0, 5.0]]
