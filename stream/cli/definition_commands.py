"""What `r2stream query` and `r2stream stream` take: what a running service watches, and for what."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from stream.cli.options import JsonOption, TokenOption, UrlOption, default_url

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 of a-z, 0-9, _ and -.")]
TextArgument = Annotated[str, typer.Argument(metavar="TEXT", help="What to watch for, in plain words.")]
StreamsOption = Annotated[
    list[str] | None, typer.Option("--stream", help="Where to watch; may be repeated.", show_default="every stream")
]
EnterOption = Annotated[float | None, typer.Option(help="Score at which a moment opens.", show_default="0.5")]
ExitOption = Annotated[
    float | None, typer.Option("--exit", help="Score down to which it goes on.", show_default="0.7 of enter")
]
MinDurationOption = Annotated[str | None, typer.Option(help="Shorter moments are not told.", show_default="0s")]
MaxDurationOption = Annotated[str | None, typer.Option(help="Longer ones end here.", show_default="5m")]
MergeGapOption = Annotated[str | None, typer.Option(help="Spans this close are one moment.", show_default="1s")]
CooldownOption = Annotated[str | None, typer.Option(help="After a moment, none for so long.", show_default="0s")]
SettleOption = Annotated[str | None, typer.Option(help="How long until an end is final.", show_default="2s")]
ConfirmOption = Annotated[int | None, typer.Option(help="Looks in a row.", show_default="1")]
PreRollOption = Annotated[str | None, typer.Option(help="What clips show before.", show_default="2s")]
PostRollOption = Annotated[str | None, typer.Option(help="And after.", show_default="2s")]
ClipOption = Annotated[bool | None, typer.Option("--clip/--no-clip", help="Whether clips are cut.", show_default="yes")]
DeliverOption = Annotated[
    list[str] | None, typer.Option("--deliver", help="Sink that is told; may be repeated.", show_default="every sink")
]
EnabledOption = Annotated[
    bool | None, typer.Option("--enabled/--disabled", help="Off keeps the definition.", show_default="enabled")
]
TransportOption = Annotated[
    Literal["tcp", "udp"] | None, typer.Option(help="How RTSP carries its media.", show_default="tcp")
]
PaceOption = Annotated[
    Literal["realtime", "fast"] | None, typer.Option(help="How fast a recording is played.", show_default="realtime")
]


def query_list(url: UrlOption = None, token: TokenOption = None, as_json: JsonOption = False) -> None:
    """Show what is watched for, and how that goes."""
    import asyncio

    from rich.console import Console

    from stream.cli.definitions import list_queries

    asyncio.run(list_queries(url or default_url(), token, Console(highlight=False), as_json=as_json))


def query_add(
    name: NameArgument,
    text: TextArgument,
    streams: StreamsOption = None,
    enter: EnterOption = None,
    exit_: ExitOption = None,
    min_duration: MinDurationOption = None,
    max_duration: MaxDurationOption = None,
    merge_gap: MergeGapOption = None,
    cooldown: CooldownOption = None,
    settle: SettleOption = None,
    confirm_frames: ConfirmOption = None,
    pre_roll: PreRollOption = None,
    post_roll: PostRollOption = None,
    clip: ClipOption = None,
    deliver: DeliverOption = None,
    enabled: EnabledOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Watch for a sentence from now on; the service keeps it until it is removed."""
    import asyncio

    from stream.cli.definitions import add_query, query_options

    options = query_options(
        {"enter": enter, "exit": exit_},
        {"pre_roll": pre_roll, "post_roll": post_roll},
        clip,
        streams=streams,
        min_duration=min_duration,
        max_duration=max_duration,
        merge_gap=merge_gap,
        cooldown=cooldown,
        settle=settle,
        confirm_frames=confirm_frames,
        deliver=deliver,
        enabled=enabled,
    )
    print(asyncio.run(add_query(url or default_url(), token, name, text, options)))


def query_set(
    name: NameArgument,
    text: Annotated[str | None, typer.Option(help="Another sentence; its moments begin anew.")] = None,
    streams: StreamsOption = None,
    enter: EnterOption = None,
    exit_: ExitOption = None,
    min_duration: MinDurationOption = None,
    max_duration: MaxDurationOption = None,
    merge_gap: MergeGapOption = None,
    cooldown: CooldownOption = None,
    settle: SettleOption = None,
    confirm_frames: ConfirmOption = None,
    pre_roll: PreRollOption = None,
    post_roll: PostRollOption = None,
    clip: ClipOption = None,
    deliver: DeliverOption = None,
    enabled: EnabledOption = None,
    default: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Back to the default, such as cooldown; may be repeated.")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Change a sentence's settings while it is watched for; what is not given stays."""
    import asyncio

    from stream.cli.definitions import query_options, set_query

    options = query_options(
        {"enter": enter, "exit": exit_},
        {"pre_roll": pre_roll, "post_roll": post_roll},
        clip,
        text=text,
        streams=streams,
        min_duration=min_duration,
        max_duration=max_duration,
        merge_gap=merge_gap,
        cooldown=cooldown,
        settle=settle,
        confirm_frames=confirm_frames,
        deliver=deliver,
        enabled=enabled,
    )
    changes = {**dict.fromkeys(default or ()), **options}
    print(asyncio.run(set_query(url or default_url(), token, name, changes)))


def query_remove(name: NameArgument, url: UrlOption = None, token: TokenOption = None) -> None:
    """Stop watching for a sentence; its moments stay in the log."""
    import asyncio

    from stream.cli.definitions import remove_query

    print(asyncio.run(remove_query(url or default_url(), token, name)))


def stream_list(url: UrlOption = None, token: TokenOption = None, as_json: JsonOption = False) -> None:
    """Show what is watched, and how that goes."""
    import asyncio

    from rich.console import Console

    from stream.cli.definitions import list_streams

    asyncio.run(list_streams(url or default_url(), token, Console(highlight=False), as_json=as_json))


def stream_add(
    name: NameArgument,
    address: Annotated[str, typer.Argument(metavar="URL", help="rtsp://…, http://…, rtmp://…, or a file there.")],
    transport: TransportOption = None,
    pace: PaceOption = None,
    enabled: EnabledOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Watch a stream from now on; the service keeps it until it is removed."""
    import asyncio

    from stream.cli.definitions import add_stream, given

    options = given(transport=transport, pace=pace, enabled=enabled)
    print(asyncio.run(add_stream(url or default_url(), token, name, address, options)))


def stream_set(
    name: NameArgument,
    address: Annotated[str | None, typer.Option("--address", help="Another place, with its secrets.")] = None,
    transport: TransportOption = None,
    pace: PaceOption = None,
    enabled: EnabledOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Change how a stream is watched; what is not given stays."""
    import asyncio

    from stream.cli.definitions import given, set_stream

    changes = given(url=address, transport=transport, pace=pace, enabled=enabled)
    print(asyncio.run(set_stream(url or default_url(), token, name, changes)))


def stream_remove(name: NameArgument, url: UrlOption = None, token: TokenOption = None) -> None:
    """Stop watching a stream; its moments and clips stay."""
    import asyncio

    from stream.cli.definitions import remove_stream

    print(asyncio.run(remove_stream(url or default_url(), token, name)))
