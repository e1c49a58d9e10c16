"""The delivery benchmark, and what it shows: many websocket clients hear everything, soon, and cheaply."""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING

import pytest

from stream.bench.delivery import BARE, SERVICE, Load, Result, measure_bare, measure_service, print_results, ratios

if TYPE_CHECKING:
    from tests.conftest import Served, ServeFactory


def test_a_small_load_is_measured(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Both servers deliver everything; programs get the numbers and their ratios."""
    load = Load(clients=5, rate_hz=50.0, seconds=0.5)
    results = [measure_service(load, served.store, served.server.port), measure_bare(load)]
    print_results(results, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [result["what"] for result in told["results"]] == [SERVICE, BARE]
    assert [(result["messages"], result["complete"]) for result in told["results"]] == [(25, 5), (25, 5)]
    assert all(0 < result["p50_ms"] <= result["p95_ms"] <= result["max_ms"] for result in told["results"])
    assert (told["p95_ratio"], told["cpu_ratio"]) == pytest.approx(ratios(results))
    print_results(results)
    assert "r2stream to the bare broadcast" in capsys.readouterr().out


def test_another_round_goes_on_from_the_log(served: Served) -> None:
    """Clients are sent what is new, and count it from there."""
    load = Load(clients=2, rate_hz=100.0, seconds=0.1)
    for _ in range(2):
        assert measure_service(load, served.store, served.server.port).complete == 2


def test_ratios_are_of_medians() -> None:
    """One round that was disturbed says little."""

    def result(what: str, p95_ms: float) -> Result:
        return Result(what, 1, 1.0, 1, 1, 0.0, p95_ms, 0.0, 0.0, 2 * p95_ms, 0.0)

    rounds = [result(SERVICE, p95_ms) for p95_ms in (3.0, 900.0, 2.0)] + [result(BARE, 6.0)]
    assert ratios(rounds) == (0.5, 0.5)


@pytest.mark.slow
@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2000, reason="so many connections are not allowed")
def test_five_hundred_clients_hear_a_hundred_events_a_second(
    serve: ServeFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each hears every event in order; a message costs no more than twice that of a bare broadcast of ready messages
    (measured: less), and most clients have it long before the bare one would fall behind.
    """
    load = Load(clients=500, rate_hz=100.0, seconds=6.0)
    with serve() as served:
        results = [measure_service(load, served.store, served.server.port), measure_bare(load)]
    with capsys.disabled():
        print()
        print_results(results)
    ours, bare = results
    assert (ours.complete, bare.complete) == (500, 500)
    assert ours.cpu_us < 2 * bare.cpu_us
    # A server that cannot keep up falls behind by seconds within such a time.
    assert ours.p95_ms < max(1000.0, 2 * bare.p95_ms)
