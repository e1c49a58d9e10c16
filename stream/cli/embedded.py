"""A whole service inside a command: engine, sources, log and API, from `with` to the end of its block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from stream.settings import Settings

if TYPE_CHECKING:
    from stream.api import ApiServer


@contextmanager
def running(settings: Settings, notes: Console | None = None) -> Iterator[ApiServer]:
    """Run a service; the server tells its address. On a terminal, `notes` says that it is being started.

    Raises:
        R2StreamError: the model, the data folder, the address, a stream or a query cannot be used; says what to do.
    """
    if notes is not None and notes.is_terminal:
        # A line and no spinner: a model that has to be fetched first shows its own progress bar on this terminal.
        notes.print("starting …", style="dim")
    # Imported here, so that a slow machine shows what it is waiting for.
    from stream.api import ApiOptions, ApiServer, create_app
    from stream.service import Service

    with ExitStack() as stack:
        service = Service.open(settings)
        stack.callback(service.stop)
        app = create_app(service, ApiOptions(token=settings.server.token))
        server = ApiServer(app, settings.server.host, settings.server.port)
        stack.callback(server.stop)
        service.start()
        server.start()
        yield server
