"""What `r2stream doctor` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.cli.doctor import CHECKS, Finding, Status, as_plain, examine
from stream.settings import Settings

_MARKS: Final[dict[Status, tuple[str, str]]] = {
    "ok": ("✓ ok", "green"),
    "warning": ("! warning", "yellow"),
    "failing": ("✗ failing", "bold red"),
}


def report(settings: Settings, *, as_json: bool, console: Console | None = None) -> bool:
    """Run every check and print what was found; says whether nothing is failing."""
    console = console or Console(highlight=False)
    if as_json:
        plain = as_plain(examine(settings))
        print(json.dumps(plain, ensure_ascii=False, indent=2))
        return bool(plain["ok"])
    if console.is_terminal:
        # A line and no spinner: a model that has to be fetched first shows its own progress bar on this terminal.
        console.print(f"examining {', '.join(CHECKS)} …", style="dim")
    findings = examine(settings)
    console.print(_table(findings))
    failing = sum(finding.status == "failing" for finding in findings)
    verdict = f"{failing} of {len(findings)} checks fail" if failing else "r2stream can run here"
    console.print(Text(verdict, style="bold red" if failing else "bold green"))
    return not failing


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(show_edge=False, pad_edge=False, header_style="dim")
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found, and what to do", overflow="fold")
    for finding in findings:
        mark, style = _MARKS[finding.status]
        found = Text(finding.found)
        if finding.todo:
            found.append(f"\n→ {finding.todo}", style="bold")
        table.add_row(Text(finding.check), Text(mark, style=style), found)
    return table
