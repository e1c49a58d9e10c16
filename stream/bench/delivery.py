"""How events reach websocket clients, beside a bare websocket broadcast of the same messages to as many.

The service is the real one, with its log on a disk and its API; the bare one is `websockets.broadcast`, which keeps
nothing, sends to all alike and knows no way back. Both run in this process, the clients in another, on the same
machine: what the clients cost is therefore part of the delay.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from rich.console import Console
from rich.table import Table
from websockets.asyncio.server import ServerConnection, broadcast, serve

from stream.bench.listeners import READY, Heard, Order
from stream.errors import R2StreamError
from stream.events import Event, Instant, MomentData, MomentEvent, rfc3339
from stream.store import Store

HOST: Final = "127.0.0.1"
SERVICE: Final = "r2stream"
BARE: Final = "bare broadcast"
_READY_S: Final = 60.0
_END_S: Final = 120.0
_BEFORE_S: Final = 0.5
"""Between the last client's arrival and the first event."""
_SPARE_FILES: Final = 100

Publish = Callable[[Event], object]
Times = np.ndarray[tuple[int], np.dtype[np.float64]]


class BenchError(R2StreamError):
    """Nothing could be measured."""

    default_code: ClassVar[str] = "no_measurement"


@dataclass(frozen=True)
class Load:
    """What is measured."""

    clients: int = 500
    rate_hz: float = 100.0
    """Events per second, evenly; each goes to every client."""
    seconds: float = 10.0

    @property
    def messages(self) -> int:
        return max(1, round(self.rate_hz * self.seconds))


@dataclass(frozen=True)
class Result:
    """How one server did under a load."""

    what: str
    clients: int
    rate_hz: float
    messages: int
    complete: int
    """Clients that heard every event, in order."""
    p50_ms: float
    """From the time when an event is in the log (the bare one: is handed over) to a client."""
    p95_ms: float
    p99_ms: float
    max_ms: float
    cpu_us: float
    """The server's CPU time per message and client, the log included; microseconds."""
    clients_cpu_us: float
    """The clients' own, which they take from the same machine."""


def measure_service(load: Load, store: Store, port: int) -> Result:
    """The service whose log is `store` and whose API listens on `port` of this machine. Its log grows.

    Raises BenchError.
    """

    def publish(event: Event) -> None:
        store.append([event])

    publish(_event(store.latest_cursor() + 1))  # the first statements of a process take far longer
    return _measure(SERVICE, load, port, publish, store.latest_cursor())


def measure_bare(load: Load) -> Result:
    """`websockets.broadcast` to as many clients. Raises BenchError."""
    with _bare_server() as (port, publish):
        return _measure(BARE, load, port, publish, 0)


def _measure(what: str, load: Load, port: int, publish: Publish, cursor: int) -> Result:
    allow_files(load.clients + _SPARE_FILES)
    events = [_event(cursor + number) for number in range(1, load.messages + 1)]
    with tempfile.TemporaryDirectory(prefix="r2stream-bench-") as folder:
        arrivals = Path(folder) / "arrivals.npy"
        hello = json.dumps({"op": "subscribe"})
        order = Order(HOST, port, "/v1/events/ws", hello, load.clients, load.messages, str(arrivals))
        with _listening(order) as listeners:
            time.sleep(_BEFORE_S)
            began_s = time.process_time()
            logged_s = _publish(events, load.rate_hz, publish)
            told = _line(listeners, load.seconds + _END_S)
            cpu_s = time.process_time() - began_s
        if not told:
            raise BenchError("the clients of the benchmark did not come to an end; try less of a load")
        heard = Heard(**json.loads(told))
        delays_ms = 1000 * (np.load(arrivals) - logged_s)
    deliveries = load.clients * load.messages
    p50, p95, p99 = (float(value) for value in np.nanpercentile(delays_ms, (50, 95, 99)))
    complete = heard.complete if heard.differing == 0 else 0
    return Result(
        what,
        load.clients,
        load.rate_hz,
        load.messages,
        complete,
        p50,
        p95,
        p99,
        float(np.nanmax(delays_ms)),
        1e6 * cpu_s / deliveries,
        1e6 * heard.cpu_s / deliveries,
    )


def _publish(events: Sequence[Event], rate_hz: float, publish: Publish) -> Times:
    """Publish at an even pace; when each was published, in seconds of `time.monotonic`."""
    published_s = np.empty(len(events))
    began_s = time.monotonic()
    for index, event in enumerate(events):
        time.sleep(max(0.0, began_s + index / rate_hz - time.monotonic()))
        publish(event)
        published_s[index] = time.monotonic()
    return published_s


@contextmanager
def _listening(order: Order) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "stream.bench.listeners", json.dumps(asdict(order))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if _line(process, _READY_S) != READY:
                raise BenchError("the clients of the benchmark could not all connect; try fewer (--clients)")
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str], timeout_s: float) -> str:
    assert process.stdout is not None
    timer = threading.Timer(timeout_s, process.kill)
    timer.start()
    try:
        return process.stdout.readline().strip()
    finally:
        timer.cancel()


@contextmanager
def _bare_server() -> Iterator[tuple[int, Publish]]:
    """A server that sends what it is given to everybody, ready as it is; its port, and how to give."""
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("{}")
        connections.add(connection)
        await connection.wait_closed()
        connections.discard(connection)

    async def run() -> None:
        stop = asyncio.Event()
        async with serve(handler, HOST, 0, compression=None, ping_interval=None) as server:
            started.set_result((next(iter(server.sockets)).getsockname()[1], asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="bare", daemon=True)
    thread.start()
    port, loop, stop = started.result(_READY_S)
    try:
        yield port, lambda event: loop.call_soon_threadsafe(broadcast, connections, event.to_json())
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_READY_S)


def _event(cursor: int) -> MomentEvent:
    """An event of a usual size at its place in the log."""
    now_s = time.time()
    data = MomentData(
        moment_id=f"{cursor:020x}",
        revision=1,
        state="open",
        stream="bench",
        query="bench",
        text="a player scores a goal",
        score=0.83,
        start=Instant(time=rfc3339(now_s), media_time_s=512.0, final=True),
        end=Instant(time=None, media_time_s=None, final=False),
        clock="arrival",
        onset_to_alert_s=4.1,
        backfilled=False,
        reason=None,
        model="bench",
    )
    return MomentEvent(
        id=f"{data.moment_id}.1",
        source="/streams/bench",
        type="r2stream.moment.started",
        time=rfc3339(now_s),
        cursor=cursor,
        data=data,
    )


def allow_files(count: int) -> None:
    """Let this process and its children open so many files, as far as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def print_results(results: Sequence[Result], *, as_json: bool = False) -> None:
    """A table with the ratios to the bare broadcast, or JSON on one line."""
    p95_ratio, cpu_ratio = ratios(results)
    if as_json:
        told = {"results": [asdict(result) for result in results], "p95_ratio": p95_ratio, "cpu_ratio": cpu_ratio}
        sys.stdout.write(json.dumps(told) + "\n")
        return
    first = results[0]
    table = Table(title=f"{first.clients} websocket clients, {first.rate_hz:g} events/s, {first.messages} events")
    table.add_column("", no_wrap=True)
    for title in ("got all", "p50 ms", "p95 ms", "p99 ms", "max ms", "CPU µs", "their µs"):
        table.add_column(title, justify="right")
    for result in results:
        delays = (result.p50_ms, result.p95_ms, result.p99_ms, result.max_ms, result.cpu_us, result.clients_cpu_us)
        table.add_row(result.what, str(result.complete), *(f"{number:.1f}" for number in delays))
    console = Console(highlight=False)
    console.print(table)
    console.print("From the log to a client; CPU time per event and client, of the server and of the clients.")
    console.print(f"r2stream to the bare broadcast: p95 x {p95_ratio:.2f}, CPU x {cpu_ratio:.2f}")


def ratios(results: Sequence[Result]) -> tuple[float, float]:
    """The service's p95 and its CPU time per message over the bare broadcast's, each the median of its rounds."""

    def ratio(number: Callable[[Result], float]) -> float:
        ours, bare = (
            float(np.median([number(result) for result in results if result.what == what])) for what in (SERVICE, BARE)
        )
        return ours / bare

    return ratio(lambda result: result.p95_ms), ratio(lambda result: result.cpu_us)
