"""Where model files come from: the package, a path, or the Hugging Face hub. The only part that may use the network."""

from __future__ import annotations

import os
from pathlib import Path

from r2model.errors import CheckpointError

HUB_SCHEME = "hf://"
DEMO = Path(__file__).parent / "weights" / "demo.safetensors"
CLIP_FILE = "open_clip_model.safetensors"


def find_model(name: str | os.PathLike[str]) -> Path:
    """The local file of a model: `demo`, a path, or `hf://owner/repo/file` (downloaded once, with a progress bar).

    Raises:
        CheckpointError: there is no such file, or it cannot be fetched; says what to do.
    """
    name = os.fspath(name)
    if name.startswith(HUB_SCHEME):
        parts = name.removeprefix(HUB_SCHEME).split("/", 2)
        if len(parts) < 3 or not all(parts):
            raise CheckpointError(f"{name!r} is not complete: write hf://owner/repo/file")
        return download("/".join(parts[:2]), parts[2])
    path = DEMO if name == "demo" else Path(name)
    if not path.is_file():
        raise CheckpointError(f"there is no model file {path}: give a path, hf://owner/repo/file, or demo")
    return path


def fetch_clip_weights(architecture: str, pretrained: str) -> Path:
    """The local file of open_clip's pretrained weights for this tag.

    Raises:
        CheckpointError: open_clip knows no such weights, or they cannot be fetched; says what to do.
    """
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    described = get_pretrained_cfg(architecture, pretrained)
    if not described:
        known = ", ".join(list_pretrained_tags_by_model(architecture)) or "none"
        raise CheckpointError(f"open_clip has no weights {pretrained!r} for {architecture}; it has: {known}")
    repo, _, file = str(described.get("hf_hub", "")).rpartition("/")
    if not repo:
        raise CheckpointError(f"{architecture}/{pretrained} is not on the hub: convert {described.get('url')} first")
    return download(repo, file or CLIP_FILE)


def download(repo: str, file: str) -> Path:
    """A file of a hub repository; a copy that the user placed in `local_folder()` comes first.

    Raises:
        CheckpointError: it is not there, or the hub cannot be reached; says what to download and where to put it.
    """
    placed = local_folder() / repo / file
    if placed.is_file():
        return placed
    from huggingface_hub import hf_hub_download, hf_hub_url
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )
    from tqdm.auto import tqdm

    try:
        # The hub's own bar comes and goes with what it thinks of its surroundings; this one always shows.
        return Path(hf_hub_download(repo, file, tqdm_class=tqdm))
    except GatedRepoError as error:
        raise CheckpointError(f"{repo} needs permission: ask for it on its page, then run `hf auth login`") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise CheckpointError(f"the hub has no public repository {repo!r}: check the name") from error
    except RemoteEntryNotFoundError as error:
        raise CheckpointError(f"the repository {repo} has no file {file!r}: check the name") from error
    except Exception as error:
        # Every library on the way has its own exceptions for proxies, time-outs and broken connections.
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"cannot download {file} from the hub ({reason}): on a connected machine fetch {hf_hub_url(repo, file)} "
            f"and put it at {placed}, or copy that machine's Hugging Face cache here and set HF_HOME to it"
        ) from error


def local_folder() -> Path:
    """Where files from the hub may be placed by hand, as `owner/repo/file`."""
    from platformdirs import user_cache_path

    return user_cache_path("r2stream") / "models"
