"""The settings file is looked at whenever it changes, however it is written, and a mistake in it changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stream.errors import EngineBusyError
from stream.metrics import Metrics
from stream.settings import Settings, load_settings
from stream.settings_file import SettingsFile, SettingsWatch

Until = Callable[[Callable[[], bool]], None]


@dataclass
class Taking:
    """A service as far as its settings go: keeps what it is given."""

    metrics: Metrics = field(default_factory=Metrics)
    taken: list[Settings] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    crash: Exception | None = None

    def apply_settings(self, settings: Settings) -> Sequence[str]:
        if self.crash is not None:
            raise self.crash
        self.taken.append(settings)
        return [f"queries: {', '.join(settings.queries)}"]

    def refuse_settings(self, place: str) -> None:
        self.refused.append(place)

    def count(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value("r2stream_settings_reloads_total", {"result": result})

    def has(self, query: str) -> bool:
        return bool(self.taken) and query in self.taken[-1].queries


@pytest.fixture
def service() -> Taking:
    return Taking()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "r2stream.yaml"
    path.write_text("queries: {goal: a goal}\n")
    return path


def settings_file(path: Path, service: Taking) -> SettingsFile:
    return SettingsFile(path, lambda: load_settings(path, {}), service)


def test_a_look_takes_up_what_has_changed(path: Path, service: Taking) -> None:
    """And nothing where the content is the same, whoever has touched it."""
    file = settings_file(path, service)
    file.look()
    path.touch()
    file.look()
    assert [list(settings.queries) for settings in service.taken] == [["goal"]]
    path.write_text("queries: {rain: it rains}\n")
    file.look()
    assert service.has("rain") and service.count("applied") == 2


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("queries:\n  goal: {text: a, treshold: 1}\n", "line 2: queries.goal.treshold", "did you mean 'threshold'?"),
        ("server: {port: hunter2}\n", "line 1: server.port", "must be a number"),
        ("a: [\n", "line 2, column 1", "is not valid YAML"),
        (" \n", "", "is empty"),
        (None, "", "cannot be read"),
    ],
)
def test_a_mistake_is_told_once_with_its_place(
    path: Path, service: Taking, text: str | None, place: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In full in the log; what everybody may read holds its place and nothing of the file."""
    file = settings_file(path, service)
    file.look()
    path.unlink() if text is None else path.write_text(text)
    file.look()
    file.look()
    assert service.refused == [place] and len(service.taken) == 1
    assert said in caplog.text and caplog.text.count("the settings before it hold") == 1
    assert service.count("invalid") == 1


def test_a_mended_file_is_taken_up_although_it_is_as_before(
    path: Path, service: Taking, caplog: pytest.LogCaptureFixture
) -> None:
    """Which ends the warning."""
    file, good = settings_file(path, service), path.read_text()
    for text in (good, "nonsense", good):
        path.write_text(text)
        with caplog.at_level(logging.INFO):
            file.look()
    assert len(service.taken) == 2 and "can be used again" in caplog.text


def test_a_busy_service_is_asked_again(path: Path, service: Taking, caplog: pytest.LogCaptureFixture) -> None:
    """It is not the file's fault; said once."""
    file = settings_file(path, service)
    service.crash = EngineBusyError("no time")
    file.look()
    file.look()
    assert service.refused == [] and service.count("failed") == 1 and caplog.text.count("no time") == 1
    service.crash = None
    file.look()
    assert service.has("goal")


def test_a_mistake_of_ours_does_not_end_the_watching(
    path: Path, service: Taking, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the next change is seen."""
    file = settings_file(path, service)
    service.crash = RuntimeError("a bug")
    file.look()
    assert "by a mistake" in caplog.text
    service.crash = None
    path.write_text("queries: {rain: it rains}\n")
    file.look()
    assert service.has("rain")


def write_in_place(path: Path, text: str) -> None:
    path.write_text(text)


def replace_by_another(path: Path, text: str) -> None:
    other = path.with_suffix(".tmp")
    other.write_text(text)
    other.replace(path)


@contextmanager
def behind_links(path: Path) -> Iterator[Callable[[Path, str], None]]:
    """As Kubernetes shows a ConfigMap: the file is a link into `..data`, a link that is replaced as a whole."""
    count = 0

    def swap(path: Path, text: str) -> None:
        nonlocal count
        count += 1
        folder = path.parent / f"..{count}"
        folder.mkdir()
        (folder / path.name).write_text(text)
        (path.parent / "..new").symlink_to(folder.name)
        (path.parent / "..new").replace(path.parent / "..data")

    swap(path, path.read_text())
    path.unlink()
    path.symlink_to(Path("..data") / path.name)
    yield swap


@pytest.mark.parametrize("write", [write_in_place, replace_by_another])
def test_a_change_is_noticed_however_it_is_written(
    path: Path, service: Taking, until: Until, write: Callable[[Path, str], None]
) -> None:
    """By the notice of the file system: looks in any case are too rare for this test."""
    with SettingsWatch(settings_file(path, service), look_s=600):
        count = 0

        def noticed() -> bool:
            # Written again and again: when the watch has begun cannot be seen from here.
            nonlocal count
            count += 1
            if count % 100 == 1:
                write(path, f"queries: {{rain{count}: it rains}}\n")
            return len(service.taken) >= 3

        until(noticed)


def test_a_swapped_link_is_noticed(path: Path, service: Taking, until: Until) -> None:
    """Nothing happens to the file itself then."""
    with behind_links(path) as swap, SettingsWatch(settings_file(path, service), look_s=0.5):
        until(lambda: service.has("goal"))
        swap(path, "queries: {rain: it rains}\n")
        until(lambda: service.has("rain"))


def test_a_file_system_without_notices_is_looked_at_now_and_then(
    path: Path, service: Taking, until: Until, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Which is said."""

    def refuse(*paths: Path, **options: object) -> Iterator[object]:
        raise OSError("too many watches")

    monkeypatch.setattr("stream.settings_file.watch", refuse)
    with SettingsWatch(settings_file(path, service), look_s=0.05):
        until(lambda: service.has("goal"))
        path.write_text("queries: {rain: it rains}\n")
        until(lambda: service.has("rain"))
    assert "too many watches" in caplog.text
