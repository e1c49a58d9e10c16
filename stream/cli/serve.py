"""`r2stream serve`: the service, until it is told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from stream.cli.embedded import running
from stream.cli.lifetime import stopped_by_user
from stream.cli.problems import CommandError
from stream.cli.tail import log_to_stderr
from stream.redact import redact
from stream.settings import Settings
from stream.settings_check import is_private

_LOOK_S: Final = 1.0
_log = logging.getLogger(__name__)


def serve_until_stopped(load: Callable[[], Settings], file: Path | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM. `load` is called again whenever `file` has changed.

    Raises R2StreamError when it cannot begin, or when the API has died.
    """
    settings = load()
    log_to_stderr(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # what it would add, we say ourselves
    _log.info("starting with the model %s", settings.model)
    with stopped_by_user(), ExitStack() as stack:
        server = stack.enter_context(running(settings))
        _say_what_is_served(settings, server.url)
        if file is not None:
            from stream.settings_file import SettingsFile, SettingsWatch

            stack.enter_context(SettingsWatch(SettingsFile(file, load, server.app.state.service)))
        waiting = threading.Event()
        while server.alive:
            waiting.wait(_LOOK_S)
        raise CommandError("the API has stopped by itself; the log says why")


def _say_what_is_served(settings: Settings, url: str) -> None:
    counts = len(settings.streams), len(settings.queries)
    _log.info("serving %s (from the settings: streams %d, queries %d)", url, *counts)
    _log.info(
        "events, and what the API adds, are kept in %s",
        redact(settings.database) if settings.database else settings.data_dir,
    )
    if settings.server.token is None and not is_private(settings.server):
        _log.warning("everybody who can reach %s may change everything: set server.token", settings.server.host)
