"""The diagram in the documents is the table, and the document explains every word in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from stream.lifecycle import FINAL, TRANSITIONS, Do, EndReason, Sight, State
from stream.lifecycle_diagram import mermaid

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"
ARROW = re.compile(r"    (\w+) --> (\w+): ([\w, ]+?)(?: / ([\w ]+))?")


def test_the_document_shows_the_diagram_of_the_table() -> None:
    """Print it anew with `python -c "from stream.lifecycle_diagram import mermaid; print(mermaid())"`."""
    (shown,) = re.findall(r"^```mermaid\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert shown == mermaid()


def test_the_diagram_holds_every_transition_and_no_other() -> None:
    """Read back, it is the table."""
    table = {}
    for line in mermaid().splitlines():
        arrow = ARROW.fullmatch(line)
        for sight in arrow[3].split(", ") if arrow else ():
            assert arrow is not None
            do = Do((arrow[4] or "nothing").replace(" ", "_"))
            table[State(arrow[1]), Sight(sight.replace(" ", "_"))] = (State(arrow[2]), do)
    assert table == TRANSITIONS
    assert set(re.findall(r"(\w+) --> \[\*\]", mermaid())) == {state.value for state in FINAL}


def test_every_word_is_explained() -> None:
    """States, sights and reasons each have a row of a table."""
    rows = set(re.findall(r"^\| `([\w ]+)` \|", PAGE.read_text(), re.MULTILINE))
    words = [*State, *(sight.value.replace("_", " ") for sight in Sight), *get_args(EndReason)]
    assert rows == {str(word) for word in words}
