"""HTTP goes to the address that was looked at, and to no private one."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from stream.sinks.transport import BlockedAddress, GuardedTransport, resolve
from tests.receiver import Receiver
from tests.servers import free_port


class Names:
    """A name server under an attacker's control: the next answer each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0)


async def post(transport: GuardedTransport, url: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=transport, timeout=5) as client:
        return await client.post(url, headers={"webhook-id": "1"})


def named(receiver: Receiver) -> str:
    """The receiver's address with a name instead of a number."""
    return receiver.url.replace("127.0.0.1", "hooks.example")


async def test_a_name_that_leads_inside_is_blocked(receiver: Receiver) -> None:
    """Whatever it is called."""
    transport = GuardedTransport(allow_private=False, resolve=Names(["127.0.0.1"]).resolve)
    with pytest.raises(BlockedAddress, match=r"hooks.example is a private address"):
        await post(transport, named(receiver))
    assert receiver.requests == []


async def test_a_number_is_judged_as_a_name_is(receiver: Receiver) -> None:
    """With the system's own resolver, which also knows odd ways to write it."""
    for host in ("127.0.0.1", "localhost", "127.1", "0x7f000001"):
        with pytest.raises(BlockedAddress):
            await post(GuardedTransport(allow_private=False), receiver.url.replace("127.0.0.1", host))
    assert receiver.requests == []


async def test_a_name_is_asked_for_at_each_connection(receiver: Receiver) -> None:
    """So one that changes its address between two requests is judged by the one that is connected to."""
    names = Names(["10.0.0.9", "127.0.0.1"], ["127.0.0.1"])
    async with httpx.AsyncClient(transport=GuardedTransport(allow_private=False, resolve=names.resolve)) as client:
        for _ in range(2):
            with pytest.raises(BlockedAddress):
                await client.post(named(receiver))
    assert receiver.requests == [] and names.answers == []


async def test_what_is_allowed_arrives_under_its_name(receiver: Receiver) -> None:
    """The request still names the host it was meant for."""
    transport = GuardedTransport(allow_private=True, resolve=Names(["127.0.0.1"]).resolve)
    assert (await post(transport, named(receiver))).status_code == 204
    assert receiver.requests[0].headers["host"].startswith("hooks.example:")


async def test_each_address_of_a_name_is_tried(receiver: Receiver) -> None:
    """A host of which one address does not answer is reached by the other."""
    transport = GuardedTransport(allow_private=True, resolve=Names(["127.0.0.2", "127.0.0.1"]).resolve)
    assert (await post(transport, named(receiver))).status_code == 204


async def test_what_cannot_be_found_is_an_error_of_the_connection() -> None:
    """As with any other transport."""
    for transport in (
        GuardedTransport(allow_private=True, resolve=Names([]).resolve),
        GuardedTransport(allow_private=True),
    ):
        with pytest.raises(httpx.ConnectError):
            await post(transport, f"http://nowhere.invalid:{free_port()}/")


async def test_the_systems_resolver_is_used() -> None:
    """Each address once."""
    assert await resolve("127.0.0.1", 80) == ["127.0.0.1"]
