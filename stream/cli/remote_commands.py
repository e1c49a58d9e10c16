"""What each command takes that asks a running service. The work is done elsewhere, as for `commands`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stream.cli.options import JsonOption, QueryOption, StreamOption, TokenOption, UrlOption, default_url

DayOption = Annotated[
    str | None, typer.Option(help="today, yesterday or 2025-01-02.", show_default="today, without --since and --until")
]
SinceOption = Annotated[
    str | None, typer.Option(help="Moments that begin at this time or later, such as 18:30 or '2025-01-02 18:30'.")
]
UntilOption = Annotated[str | None, typer.Option(help="Moments that begin before this time.")]
ZoneOption = Annotated[
    str | None, typer.Option("--timezone", help="Such as Europe/Berlin or +02:00.", show_default="that of this machine")
]
ScoreOption = Annotated[float | None, typer.Option("--min-score", help="Moments with at least this score.")]
SinkArgument = Annotated[str, typer.Argument(metavar="SINK", help="Its name in the settings file.")]
BestOption = Annotated[int | None, typer.Option(help="Only so many, those with the highest scores.", min=1)]
OrderOption = Annotated[Literal["time", "score"], typer.Option(help="What comes first: the earliest or the best.")]


def events_tail(
    after: Annotated[
        int | None, typer.Option(help="Cursor to go on from; 0 for all.", min=0, show_default="from now on")
    ] = None,
    url: UrlOption = None,
    stream: StreamOption = None,
    query: QueryOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the events of a running service as they come; a lost connection goes on where it broke."""
    import asyncio

    from rich.console import Console

    from stream.cli.lifetime import stopped_by_user
    from stream.cli.tail import Wish, log_to_stderr, tail

    log_to_stderr()
    wish = Wish(after=after, streams=tuple(stream or ()), queries=tuple(query or ()), as_json=as_json)
    with stopped_by_user():
        asyncio.run(tail(url or default_url(), token, wish, Console(highlight=False)))


def clip(
    what: Annotated[
        str,
        typer.Argument(metavar="MOMENT_ID|STREAM", help="As `cuts` and `events tail --json` name a moment."),
    ],
    since: Annotated[
        str | None, typer.Option(help="Of a STREAM: from this time, such as 18:30:05, or media time in seconds.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="And up to this one; it may be still to come.")] = None,
    timezone: ZoneOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write.", show_default="MOMENT_ID.mp4 or .webm")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Of a MOMENT_ID: a small moving picture, as WebP.")
    ] = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Download the clip of a moment, or have any time of a stream that is held cut out, and download that."""
    import asyncio

    from stream.cli.fetching import Piece, cut_clip, fetch_clip

    if since is None and until is None:
        print(asyncio.run(fetch_clip(url or default_url(), token, what, out, preview=preview)))
    else:
        piece = Piece.parse(what, since, until, timezone)
        print(asyncio.run(cut_clip(url or default_url(), token, piece, out)))


def cuts(
    day: DayOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    timezone: ZoneOption = None,
    stream: StreamOption = None,
    query: QueryOption = None,
    min_score: ScoreOption = None,
    best: BestOption = None,
    order: OrderOption = "time",
    list_format: Annotated[
        Literal["table", "json", "csv", "edl"], typer.Option("--format", help="An EDL is CMX 3600.")
    ] = "table",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write.", show_default="to the terminal")
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(help="Of an EDL: pictures per second, such as 25, 29.97.", show_default="that of the clips"),
    ] = None,
    timecode: Annotated[
        Literal["clip", "day"] | None,
        typer.Option(help="Of an EDL's sources: of the clips' files, or the time of day.", show_default="clip"),
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """List the moments of a day with their clips: to look at, for spreadsheets, or for an editing suite."""
    import asyncio

    from rich.console import Console

    from stream.cli.cuts import Listing, list_cuts
    from stream.cli.local_time import Span, cut_options

    chosen = {"streams": stream, "queries": query, "min_score": min_score, "best": best, "order": order}
    options = cut_options(Span(day, since, until, timezone), **chosen)
    listing = Listing(list_format, out, rate, timecode)
    listing.check()
    asyncio.run(list_cuts(url or default_url(), token, options, listing, Console(highlight=False)))


def reel(
    day: DayOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    timezone: ZoneOption = None,
    stream: StreamOption = None,
    query: QueryOption = None,
    min_score: ScoreOption = None,
    best: Annotated[
        int | None, typer.Option(help="So many at most, those with the highest scores.", min=1, show_default="10")
    ] = None,
    max_length: Annotated[str | None, typer.Option(help="Such as 3m: the best come in up to it.")] = None,
    order: OrderOption = "time",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write.", show_default="its id, .mp4 or .webm")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Have the best moments of a day made into one video file, with a chapter for each, and download it."""
    import asyncio

    from rich.console import Console

    from stream.cli.local_time import Span, cut_options
    from stream.cli.reel import make_reel

    chosen = {"streams": stream, "queries": query, "min_score": min_score, "best": best, "order": order}
    options = {**cut_options(Span(day, since, until, timezone), **chosen), "max_length": max_length}
    notes = Console(stderr=True, highlight=False)
    print(asyncio.run(make_reel(url or default_url(), token, options, out, notes)))


def reel_list(url: UrlOption = None, token: TokenOption = None, as_json: JsonOption = False) -> None:
    """Show the reels of a running service, those that it made by itself too."""
    import asyncio

    from rich.console import Console

    from stream.cli.reel import list_reels

    asyncio.run(list_reels(url or default_url(), token, Console(highlight=False), as_json=as_json))


def sinks(
    context: typer.Context, url: UrlOption = None, token: TokenOption = None, as_json: JsonOption = False
) -> None:
    """Show the sinks of a running service: what each delivers, and why where it does not."""
    import asyncio

    from rich.console import Console

    from stream.cli.sinks import show_sinks

    if context.invoked_subcommand is None:
        asyncio.run(show_sinks(url or default_url(), token, Console(highlight=False), as_json=as_json))


def dead_letters(
    sink: SinkArgument,
    after: Annotated[int, typer.Option(help="Id of the last one already known.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="So many at most.", min=1, max=1000)] = 100,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the events that a sink gave up, oldest first."""
    import asyncio

    from rich.console import Console

    from stream.cli.sinks import show_dead_letters

    console = Console(highlight=False)
    asyncio.run(show_dead_letters(url or default_url(), token, sink, after, limit, console, as_json=as_json))


def redeliver(
    sink: SinkArgument,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID...", help="Which ones.", show_default="all of them")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Have a sink try again what it gave up, once each."""
    import asyncio

    from stream.cli.sinks import redeliver as run

    print(asyncio.run(run(url or default_url(), token, sink, ids)))
