"""Where model files are looked for, and what a user without a network is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub.constants
import pytest

from r2model import CheckpointError, R2Config, R2Model, load_model
from r2model import hub as hub_module
from r2model.checkpoint import PUBLISHED_CLIP
from r2model.model import R2Tuning


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No network, an empty cache, and an empty folder for files placed by hand."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub_module, "local_folder", lambda: tmp_path / "models")
    return tmp_path / "models"


def test_offline_error_says_what_to_fetch_and_where_to_put_it(offline: Path) -> None:
    """Without a network the error names the file's address, the place for it, and HF_HOME."""
    with pytest.raises(CheckpointError) as refusal:
        load_model("hf://someone/models/folder/model.pth")
    said = str(refusal.value)
    assert "/someone/models/resolve/main/folder/model.pth" in said
    assert str(offline / "someone" / "models" / "folder" / "model.pth") in said and "HF_HOME" in said


def test_file_placed_by_hand_is_used(offline: Path, golden_dir: Path) -> None:
    """A file put where the error said is taken without a network."""
    place = offline / "someone" / "models" / "model.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes((golden_dir / "checkpoint" / "tiny_epoch_3.pth").read_bytes())
    assert load_model("hf://someone/models/model.pth").config.hidden == 32


@pytest.mark.parametrize("name", ["hf://", "hf://owner", "hf://owner/repo", "hf://owner/repo/"])
def test_incomplete_address_is_refused(name: str) -> None:
    """A hub address without owner, repository or file is an error that shows the form."""
    with pytest.raises(CheckpointError, match="hf://owner/repo/file"):
        load_model(name)


def test_missing_path_is_refused(tmp_path: Path) -> None:
    """A path that is not there is an error that names it and the alternatives."""
    with pytest.raises(CheckpointError, match=r"no model file nowhere\.pth: give a path"):
        load_model("nowhere.pth")


def test_published_clip_is_fetched_when_needed_and_not_before(offline: Path) -> None:
    """A published checkpoint grounds without CLIP; encoding offline says which file to fetch."""
    config = R2Config(hidden=32, clip=PUBLISHED_CLIP)
    model = R2Model(config, R2Tuning(config))
    assert model.clip is None
    with pytest.raises(CheckpointError) as refusal:
        model.encode_text("a player scores a goal")
    assert "open_clip_model.safetensors" in str(refusal.value) and str(offline) in str(refusal.value)


def test_unknown_pretrained_tag_lists_the_known() -> None:
    """A tag that open_clip does not have is an error that lists those it has."""
    with pytest.raises(CheckpointError, match="it has: openai"):
        hub_module.fetch_clip_weights("ViT-B-32-quickgelu", "openapi")


@contextmanager
def hub_with(body: bytes | None) -> Iterator[str]:
    """The address of a hub on loopback that has `body` at /someone/models, and answers 500 when there is none."""

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            right = self.path == "/someone/models/resolve/main/model.pth"
            self.send_response(500 if body is None else 200 if right else 404)
            if not right:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def load_from(hub: str, name: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Load a model in a process of its own, whose hub is `hub` and whose caches are empty."""
    script = f"""
from r2model import CheckpointError, load_model
try:
    print(load_model({name!r}).config.hidden)
except CheckpointError as error:
    print(error)
"""
    own = {
        "HF_ENDPOINT": hub,
        "HF_HOME": str(home / "hf"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "HF_HUB_OFFLINE": "0",
    }
    environment = {**os.environ, **own}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, env=environment)


def test_a_model_is_downloaded_with_a_progress_bar(golden_dir: Path, tmp_path: Path) -> None:
    """From a real server, once: the second time it is there, though the server is gone."""
    with hub_with((golden_dir / "checkpoint" / "tiny_epoch_3.pth").read_bytes()) as hub:
        first = load_from(hub, "hf://someone/models/model.pth", tmp_path)
    again = load_from(hub, "hf://someone/models/model.pth", tmp_path)
    assert first.stdout.strip() == again.stdout.strip() == "32", first.stderr
    assert "model.pth" in first.stderr and "100%" in first.stderr and "100%" not in again.stderr


def test_a_file_that_the_repository_lacks_is_said_to_be_missing(tmp_path: Path) -> None:
    """Rather than that the hub cannot be reached."""
    with hub_with(b"something") as hub:
        done = load_from(hub, "hf://someone/models/other.pth", tmp_path)
    assert "has no file 'other.pth'" in done.stdout


@pytest.mark.parametrize("answers", [True, False])
def test_a_hub_that_fails_is_explained_like_one_that_is_far(answers: bool, tmp_path: Path) -> None:
    """A server that answers nonsense, or none at all: what to fetch, and where to put it."""
    with hub_with(None) as hub:
        if answers:
            done = load_from(hub, "hf://someone/models/model.pth", tmp_path)
    if not answers:
        done = load_from(hub, "hf://someone/models/model.pth", tmp_path)
    assert f"fetch {hub}/someone/models/resolve/main/model.pth and put it at" in done.stdout, done.stderr
