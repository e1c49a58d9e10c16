"""Events to an MQTT broker, and what is going on as retained messages, for Home Assistant among others."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final
from uuid import uuid4

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from stream.events import Event, MomentEvent, StreamEvent
from stream.sinks.mqtt_topics import OFF, OFFLINE, ON, ONLINE, Topics
from stream.sinks.outlet import TryAgain
from stream.sinks.settings import MqttSettings
from stream.sinks.watched import Watched

KEEPALIVE_S: Final = 15
"""A broker says that we are gone after 1.5 times as long without a word, should the line break without notice."""
SYNC_S: Final = 5.0
"""How long to wait for what the broker retains; without it, what outlived its query stays there."""
GOODBYE_S: Final = 1.0
MAX_RETAINED: Final = 10_000
AT_LEAST_ONCE: Final = 1

_PASSING: Final = frozenset({3, 136, 137, 151})
"""Reasons for refusing a connection that waiting may heal: unavailable, busy, a quota."""

Unfinished = Callable[[], Sequence[MomentEvent]]
"""The moments that are going on, by the log."""


class MqttSink:
    """A broker."""

    max_tries: int | None = None
    """A broker takes every event or none, so none is given up."""

    def __init__(self, settings: MqttSettings, unfinished: Unfinished) -> None:
        self._settings = settings
        self._unfinished = unfinished

    @asynccontextmanager
    async def open(self, wake: Callable[[], None]) -> AsyncIterator[MqttOutlet]:
        """A connection that says `online`, and `offline` by itself when it breaks."""
        with _explained(self._settings):
            client = self._client()
            try:
                async with client:
                    outlet = MqttOutlet(client, self._settings, self._unfinished)
                    listening = asyncio.create_task(outlet.listen(wake), name="mqtt.listen")
                    try:
                        await outlet.look_around()
                        yield outlet
                    except (TryAgain, aiomqtt.MqttError):
                        # Without a goodbye, for which a broker that hangs would be waited for: the last will speaks.
                        _hang_up(client)
                        raise
                    finally:
                        listening.cancel()
                        await outlet.say_goodbye()
            finally:
                _hang_up(client)

    def _client(self) -> aiomqtt.Client:
        settings = self._settings
        topics = Topics(settings.prefix, settings.discovery_prefix)
        return aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.username,
            password=settings.password,
            tls_context=_trust(settings.ca_file) if settings.tls else None,
            will=aiomqtt.Will(topics.available, OFFLINE, AT_LEAST_ONCE, retain=True),
            timeout=settings.timeout_s,
            keepalive=KEEPALIVE_S,
            max_queued_incoming_messages=MAX_RETAINED,
            # What it would log, the state of the sink says.
            logger=logging.Logger("mqtt", logging.CRITICAL),
        )


class MqttOutlet:
    """One connection."""

    def __init__(self, client: aiomqtt.Client, settings: MqttSettings, unfinished: Unfinished) -> None:
        self._client = client
        self._settings = settings
        self._unfinished = unfinished
        self._topics = Topics(settings.prefix, settings.discovery_prefix)
        self._streams: frozenset[str] = frozenset()
        self._open: dict[tuple[str, str], set[str]] = {}
        """Ids of the moments that are going on, by stream and query."""
        self._retained: dict[str, str] = {}
        """What the broker retains of ours, as far as it is known."""
        self._lost: aiomqtt.MqttError | None = None
        self._sync_topic = f"{settings.prefix}/sync/{uuid4().hex}"
        self._synced = asyncio.Event()

    async def listen(self, wake: Callable[[], None]) -> None:
        """Take in what the broker sends; a line that breaks is noticed here."""
        try:
            async for message in self._client.messages:
                topic, payload = str(message.topic), message.payload
                if topic == self._sync_topic:
                    self._synced.set()
                elif isinstance(payload, bytes) and payload and len(self._retained) < MAX_RETAINED:
                    self._retained[topic] = payload.decode(errors="replace")
        except aiomqtt.MqttError as error:
            self._lost = error
            wake()

    async def look_around(self) -> None:
        """Learn what the broker retains from former times. Raises MqttError."""
        filters = [*self._topics.retained, self._sync_topic]
        await self._client.subscribe([(topic, AT_LEAST_ONCE) for topic in filters])
        # It comes back after what is retained, which a broker sends first.
        await self._client.publish(self._sync_topic, "", AT_LEAST_ONCE)
        with suppress(TimeoutError):
            async with asyncio.timeout(SYNC_S):
                await self._synced.wait()
        await self._client.unsubscribe(filters)

    async def say_goodbye(self) -> None:
        """Say `offline`, where there is still somebody to say it to."""
        with suppress(TimeoutError, aiomqtt.MqttError):
            async with asyncio.timeout(GOODBYE_S):
                await self._client.publish(self._topics.available, OFFLINE, AT_LEAST_ONCE, retain=True)

    def check(self) -> None:
        """Raises TryAgain when the line has broken."""
        if self._lost is not None:
            with _explained(self._settings):
                raise self._lost

    async def adapt(self, watched: Watched) -> None:
        """Announce each query on each stream with its state, and take back what is no longer there."""
        self._open = {}
        for event in await asyncio.to_thread(self._unfinished):
            self._note(event)
        self._streams = watched.streams
        wanted = self._wanted(watched)
        kept = {*wanted, *map(self._topics.status, watched.streams), self._topics.available}
        with _explained(self._settings):
            for topic in [topic for topic in self._retained if topic not in kept]:
                await self._client.publish(topic, None, AT_LEAST_ONCE, retain=True)
                del self._retained[topic]
            for topic, payload in wanted.items():
                await self._retain(topic, payload)
            await self._retain(self._topics.available, ONLINE)

    async def deliver(self, event: Event) -> None:
        """The event itself, then the state that it changes."""
        with _explained(self._settings):
            await self._client.publish(self._topics.events, event.to_json(), AT_LEAST_ONCE)
            if isinstance(event, MomentEvent):
                self._note(event)
                topic = self._topics.state(event.data.stream, event.data.query)
                # Only of what is announced: the last event of a query that is gone must not bring it back.
                if topic in self._retained:
                    await self._retain(topic, self._state(event.data.stream, event.data.query))
            elif isinstance(event, StreamEvent) and event.data.stream in self._streams:
                await self._retain(self._topics.status(event.data.stream), event.data.state)

    def _wanted(self, watched: Watched) -> dict[str, str]:
        """What is to be retained about queries, by topic."""
        wanted = {}
        for (stream, name), query in watched.pairs(self._settings.name).items():
            # The state first: whoever learns of it from the announcement finds it there.
            wanted[self._topics.state(stream, name)] = self._state(stream, name)
            if self._settings.discovery:
                wanted[self._topics.config(stream, name)] = self._topics.discovery(stream, query)
        return wanted

    def _note(self, event: MomentEvent) -> None:
        """Take note of a moment that begins, goes on or ends."""
        pair, moment = (event.data.stream, event.data.query), event.data.moment_id
        if event.data.state in ("open", "ending"):
            self._open.setdefault(pair, set()).add(moment)
        elif pair in self._open:
            self._open[pair].discard(moment)

    def _state(self, stream: str, query: str) -> str:
        return ON if self._open.get((stream, query)) else OFF

    async def _retain(self, topic: str, payload: str) -> None:
        if self._retained.get(topic) != payload:
            await self._client.publish(topic, payload, AT_LEAST_ONCE, retain=True)
            self._retained[topic] = payload


@contextmanager
def _explained(settings: MqttSettings) -> Iterator[None]:
    """From the library's errors to TryAgain, with a sentence for people."""
    broker = f"The broker {settings.host}:{settings.port}"
    try:
        yield
    except MqttConnectError as error:
        code = getattr(error.rc, "value", error.rc)
        raise TryAgain(f"{broker} refuses the connection: {error}.", needs_help=code not in _PASSING) from error
    except aiomqtt.MqttError as error:
        raise TryAgain(f"{broker} cannot be reached, or does not answer: {error}.") from error


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        problem = f"ca_file cannot be used: {error.strerror or error}."
        raise TryAgain(problem, needs_help=True) from error


def _hang_up(client: aiomqtt.Client) -> None:
    """Close the socket, which aiomqtt leaves open, and watched by the loop, when a broker does not answer.

    There is no public way to it. Nothing happens when it is closed already.
    """
    client._client._sock_close()
