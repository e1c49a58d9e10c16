"""From an exception to a sentence."""

from __future__ import annotations

import errno

import pytest

from clients import ClientError
from r2model import CheckpointError, QueryError
from stream.cli.problems import CommandError, explain
from stream.errors import ConfigError


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConfigError("unknown key", path="streams.a", file="r2stream.yaml"), "r2stream.yaml: streams.a: unknown key"),
        (CommandError("the demo found nothing"), "the demo found nothing"),
        (CheckpointError("there is no model file x"), "there is no model file x"),
        (QueryError("the sentence is empty"), "the sentence is empty"),
        (ClientError("unreachable", "Cannot reach it."), "Cannot reach it."),
        (OSError(errno.EACCES, "Permission denied", "/data"), "Permission denied: /data"),
    ],
)
def test_errors_made_for_users_are_shown_as_they_are(error: Exception, sentence: str) -> None:
    """Their text already says what to do."""
    assert explain(error) == sentence


def test_a_taken_port_says_how_to_choose_another() -> None:
    """Whoever raised it, the sentence names the option."""
    assert "--port" in explain(OSError(errno.EADDRINUSE, "Address already in use"))


def test_a_full_disk_says_where_to_go() -> None:
    """The folder can be chosen."""
    assert "--data-dir" in explain(OSError(errno.ENOSPC, "No space left on device"))


@pytest.mark.parametrize(
    ("module", "command"),
    [("cv2", "'.[demo]'"), ("matplotlib.pyplot", "'.[train]'"), ("av", "constraints.txt .")],
)
def test_a_missing_module_names_the_extra_that_brings_it(module: str, command: str) -> None:
    """An installation without extras can be completed with one command."""
    assert command in explain(ModuleNotFoundError(f"No module named {module!r}", name=module))


def test_a_mistake_of_ours_is_called_one() -> None:
    """The user learns that it is not their fault, and how to report it."""
    sentence = explain(ZeroDivisionError("division by zero"))
    assert "ZeroDivisionError: division by zero" in sentence and "--debug" in sentence


def test_no_secret_is_shown() -> None:
    """Passwords that travel inside exceptions of others are hidden."""
    for error in (
        RuntimeError("open rtsp://me:hunter2@cam/1 failed"),
        OSError(5, "Input/output error", "rtsp://u:hunter2@c"),
    ):
        assert "hunter2" not in explain(error)
