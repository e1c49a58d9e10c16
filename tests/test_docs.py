"""What the documents say is so: snippets run, settings parse, options and keys exist, links lead somewhere."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stream.cli.app import run
from stream.errors import ConfigError
from stream.metrics import Metrics
from stream.reels.schedule import ReelSettings
from stream.settings import CONFIG_VARIABLE, ENVIRONMENT, ServerSettings, load_settings, parse_settings
from stream.sinks.settings import parse_sink
from tests.models import save_random_model

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))


GROUPS = ("config", "evaluate", "events", "query", "stream", "train")
"""Commands that have commands."""


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every `r2stream` command line of the README, continuation lines joined."""
    text = "".join(blocks(README, "console")).replace("\\\n", " ")
    return re.findall(r"^\$ r2stream (.*)$", text, re.MULTILINE)


def documented_keys(heading: str) -> set[str]:
    """First column of the first table below a heading of docs/configuration.md, or below a line that names it."""
    below = CONFIGURATION.read_text().partition(f"\n{heading}\n")[2]
    table = below.partition("|---|")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))


def known_keys(place: str) -> set[str]:
    """The keys that the settings take at a place, from the error that lists them."""
    unknown: dict[str, object] = {"zzzzzzzz": 1}
    documents: dict[str, dict[str, object]] = {
        "": unknown,
        "retention": {"retention": unknown},
        "server": {"server": unknown},
        "stream": {"streams": {"a": {"url": "demo://broadcast", **unknown}}},
        "query": {"queries": {"a": {"text": "a", **unknown}}},
        "clips": {"clips": unknown},
        "clip": {"queries": {"a": {"text": "a", "clip": unknown}}},
        "webhook": {"sinks": {"a": {"type": "webhook", "url": "https://example.com/", **unknown}}},
        "mqtt": {"sinks": {"a": {"type": "mqtt", "url": "mqtt://broker.local", **unknown}}},
        "reel": {"reels": {"a": unknown}},
        "threshold": {"queries": {"a": {"text": "a", "threshold": unknown}}},
    }
    with pytest.raises(ConfigError) as refused:
        parse_settings(documents[place])
    return set(refused.value.problem.partition("valid keys: ")[2].split(", "))


@pytest.mark.parametrize(
    ("heading", "place"),
    [
        ("## Top level", ""),
        ("## `retention`", "retention"),
        ("## `server`", "server"),
        ("## A stream", "stream"),
        ("## A query", "query"),
        ("`threshold`:", "threshold"),
        ("`clip`:", "clip"),
        ("## `clips`", "clips"),
        ("### `webhook`", "webhook"),
        ("### `mqtt`", "mqtt"),
        ("## A reel", "reel"),
    ],
)
def test_every_key_is_documented_and_no_other(heading: str, place: str) -> None:
    """A key that is added or renamed must be explained."""
    assert documented_keys(heading) == known_keys(place)


def test_every_variable_is_documented_and_no_other() -> None:
    """The environment's table is complete."""
    assert documented_keys("## Environment") == {CONFIG_VARIABLE, *ENVIRONMENT}


def test_the_complete_example_shows_the_defaults(tmp_path: Path) -> None:
    """What it writes out is what leaving it out means."""
    (example,) = blocks(CONFIGURATION, "yaml")
    (tmp_path / "r2stream.yaml").write_text(example)
    written = load_settings(tmp_path / "r2stream.yaml", {})
    bare = parse_settings({"streams": dict.fromkeys(written.streams, "demo://broadcast"), "queries": {"goal": "x"}})
    assert (written.model, written.device, written.server) == (bare.model, bare.device, ServerSettings())
    assert (written.database, written.retention) == (bare.database, bare.retention)
    assert replace(written.clips, folder=None) == bare.clips and written.clips_dir == written.data_dir / "clips"
    assert written.queries["goal"].deliver is not None and set(written.queries["goal"].deliver) == set(written.sinks)
    assert replace(written.queries["goal"], text="x", streams=(), deliver=None) == bare.queries["goal"]
    assert all(stream.enabled for stream in written.streams.values())
    assert [replace(reel, at="00:00", timezone="UTC", queries=()) for reel in written.reels.values()] == [
        ReelSettings("daily")
    ]
    for name, sink in written.sinks.items():
        bare_sink = parse_sink(name, {"type": sink.type, "url": sink.url})
        chosen = {"secret", "username", "password", "ca_file"}
        assert {**vars(sink), **dict.fromkeys(chosen)} == {**vars(bare_sink), **dict.fromkeys(chosen)}


def test_the_settings_of_the_readme_are_taken(tmp_path: Path) -> None:
    """As a newcomer would copy them."""
    (example,) = blocks(README, "yaml")
    (tmp_path / "r2stream.yaml").write_text(example)
    settings = load_settings(tmp_path / "r2stream.yaml", {})
    assert set(settings.streams) == {"entrance", "yard"} and set(settings.queries) == {"arrival", "dog"}


async def test_the_client_of_the_readme_runs(served: Any, moment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Against a real server, until it has printed what it was sent."""
    (example,) = [block for block in blocks(README, "python") if "Client" in block]
    served.append(
        moment("started", query="delivery"), moment("ended", query="delivery", end=moment("started").data.start)
    )
    names: dict[str, Any] = {}
    source = example.replace("http://127.0.0.1:8642", served.url).replace("asyncio.run(main())", "")
    exec(compile(source, "README.md", "exec"), names)
    task = asyncio.create_task(names["main"]())
    printed = ""
    async with asyncio.timeout(10):
        while not printed and not task.done():
            await asyncio.wait([task], timeout=0.02)
            printed = capsys.readouterr().out
    task.cancel()
    await asyncio.wait([task])
    assert "0.83" in printed


def test_the_research_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a model of random weights in the place of the shipped one."""
    monkeypatch.setattr("r2model.hub.DEMO", save_random_model(tmp_path / "demo.safetensors"))
    (example,) = [block for block in blocks(README, "python") if "load_model" in block]
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("tensor") == 2


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_readme_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with every option it is shown with."""
    words = command.split(" -")[0].split()
    name = words[:2] if words[0] in GROUPS else words[:1]
    assert run([*name, "--help"]) == 0
    explained = capsys.readouterr().out
    missing = [option for option in re.findall(r"(?<= )--?[a-z][a-z-]*", command) if option not in explained]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Pictures too."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_makefile_has_what_the_readme_names() -> None:
    """Every `make target` of the README is one."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)`?", README.read_text())) - {"the"} <= targets


def test_what_ci_installs_is_named_in_the_readme() -> None:
    """Whoever wants the same tests needs the same packages."""
    installed = re.findall(r"gir1\.2-\S+|python3-gi|gstreamer1\.0-\S+|mosquitto", (ROOT / ".ci" / "run").read_text())
    short = README.read_text()
    for package in installed:
        family, _, name = package.rpartition("-")
        assert package in short or (
            family == "gstreamer1.0-plugins" and re.search(rf"plugins-{{[a-z,]*\b{name}\b", short)
        )


def test_every_metric_is_documented_and_no_other() -> None:
    """Whoever writes an alert finds the names in the documents."""
    table = (ROOT / "docs" / "api.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"`r2stream_(\w+)`", table))
    there = {family.name for family in Metrics().registry.collect()}
    assert {name.removesuffix("_total").removesuffix("_info") for name in told} == {
        name.removeprefix("r2stream_") for name in there
    }
