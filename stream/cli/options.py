"""What several commands take, and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from stream.settings import Settings

DEFAULT_CONFIG: Final = Path("r2stream.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help=f"Settings file; ./{DEFAULT_CONFIG} if there is one.", show_default=False),
]
HostOption = Annotated[str | None, typer.Option(help="Address to listen on.", show_default=False)]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes any free one.", show_default=False)]
ModelOption = Annotated[
    str | None, typer.Option(help="demo, a model file, or hf://owner/repo/file.", show_default=False)
]
DeviceOption = Annotated[
    str | None, typer.Option(help="Where the model runs: cpu, cuda, cuda:1, …", show_default=False)
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where events are kept; shown by doctor.", show_default=False)
]
UrlOption = Annotated[str | None, typer.Option(help="The service.", show_default="http://127.0.0.1:8642")]
TokenOption = Annotated[
    str | None, typer.Option(help="The service's token, if it asks for one.", envvar="R2STREAM_TOKEN")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
StreamOption = Annotated[list[str] | None, typer.Option(help="Only this stream; may be repeated.")]
QueryOption = Annotated[list[str] | None, typer.Option(help="Only this query; may be repeated.")]


def settings_for(
    config: Path | None,
    *,
    host: str | None,
    port: int | None,
    model: str | None,
    device: str | None,
    data_dir: Path | None,
) -> Settings:
    """The settings file, then the environment, then the command line. Raises ConfigError."""
    import os
    from dataclasses import replace

    from stream.settings import load_settings

    settings = load_settings(config_file(config), os.environ)
    server = replace(
        settings.server,
        host=settings.server.host if host is None else host,
        port=settings.server.port if port is None else port,
    )
    return replace(
        settings,
        server=server,
        model=settings.model if model is None else model,
        device=settings.device if device is None else device,
        data_dir=settings.data_dir if data_dir is None else data_dir.expanduser(),
    )


def config_file(config: Path | None) -> Path | None:
    """The settings file: the one given, else the one that the environment names, else the one here, if any."""
    import os

    from stream.settings import CONFIG_VARIABLE

    named = os.environ.get(CONFIG_VARIABLE)
    if config is None and named:
        return Path(named)
    return DEFAULT_CONFIG if config is None and DEFAULT_CONFIG.is_file() else config


def default_url() -> str:
    from stream.settings import ServerSettings

    return f"http://{ServerSettings.host}:{ServerSettings.port}"
