"""The example in the documentation runs as it is printed there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_example_prints_the_moment(served: Served, moment: MomentFactory) -> None:
    """Only the address differs from what a reader would run."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (example,) = [block for block in blocks if "import Client" in block]
    assert "http://127.0.0.1:8642" in example
    served.append(moment(moment_id="a"), moment("ended", moment_id="a", revision=2))
    code = example.replace("http://127.0.0.1:8642", served.url)
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [["1", "moment.started", "pitch"], ["2", "moment.ended", "pitch"]]
    assert served.service.query("goal").query.enter == 0.6
