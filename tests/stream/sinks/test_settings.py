"""What a person may write about a sink, and what is said about the rest."""

from __future__ import annotations

import base64

import pytest

from stream.errors import ConfigError
from stream.query import Query
from stream.sinks.settings import MqttSettings, WebhookSettings, check_deliver, parse_sink

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
URL = "https://user:hunter2@example.com/hook/s3cr3t"


def test_a_webhook_is_read_in_full() -> None:
    """Each key, and its default."""
    document = {"type": "webhook", "url": URL, "secret": SECRET, "timeout": "3s", "max_tries": 4, "enabled": False}
    assert parse_sink("hook", document) == WebhookSettings(
        name="hook", url=URL, secret=SECRET, timeout_s=3.0, max_tries=4, enabled=False
    )
    assert parse_sink("hook", {"type": "webhook", "url": URL}) == WebhookSettings("hook", URL)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"url": URL}, "sinks.hook: the key 'type' is required: one of webhook, mqtt"),
        ({"type": "webhok", "url": URL}, "sinks.hook.type: must be one of webhook, mqtt"),
        ({"type": "webhook"}, "sinks.hook: the key 'url' is required"),
        ({"type": "webhook", "url": URL, "secrt": "x"}, r"sinks.hook.secrt: unknown key; did you mean 'secret'\?"),
        ({"type": "webhook", "url": "ftp://example.com"}, "sinks.hook.url: must be an address such as https://"),
        ({"type": "webhook", "url": "https://"}, "sinks.hook.url: must be an address"),
        ({"type": "webhook", "url": "https://example.com:port/"}, "sinks.hook.url: must be an address"),
        ({"type": "webhook", "url": "http://127.0.0.1:8000/"}, "is on this machine .* set allow_private: true"),
        ({"type": "webhook", "url": "http://localhost/"}, "is on this machine"),
        ({"type": "webhook", "url": URL, "secret": "hunter2"}, "sinks.hook.secret: must be 'whsec_' and 24 to 64"),
        ({"type": "webhook", "url": URL, "secret": "whsec_aGk="}, "sinks.hook.secret: must be 'whsec_'"),
        ({"type": "webhook", "url": URL, "timeout": "2m"}, "sinks.hook.timeout: must be between 100ms and 60s"),
        ({"type": "webhook", "url": URL, "max_tries": 0}, "sinks.hook.max_tries: must be at least 1"),
        ("https://example.com", "sinks.hook: must be a mapping"),
    ],
)
def test_what_cannot_be_used_is_refused_with_path_and_reason(mapping: object, message: str) -> None:
    """Every refusal says where and what to write instead, and shows no secret."""
    with pytest.raises(ConfigError, match=message) as refused:
        parse_sink("hook", mapping)
    assert "hunter2" not in str(refused.value) and "s3cr3t" not in str(refused.value)


def test_a_broker_is_read_in_full() -> None:
    """Each key, its default, and the port that goes without saying."""
    document = {
        "type": "mqtt",
        "url": "mqtts://broker.local",
        "username": "watcher",
        "password": "hunter2",
        "ca_file": "/etc/ca.pem",
        "prefix": "site/r2",
        "discovery": False,
        "discovery_prefix": "ha",
        "timeout": "3s",
        "enabled": False,
    }
    read = parse_sink("broker", document)
    assert read == MqttSettings(
        name="broker",
        url="mqtts://broker.local",
        username="watcher",
        password="hunter2",
        ca_file="/etc/ca.pem",
        prefix="site/r2",
        discovery=False,
        discovery_prefix="ha",
        timeout_s=3.0,
        enabled=False,
    )
    assert (read.tls, read.host, read.port) == (True, "broker.local", 8883)
    assert "hunter2" not in repr(read)
    plain = parse_sink("broker", {"type": "mqtt", "url": "mqtt://[::1]:18830"})
    assert plain == MqttSettings("broker", "mqtt://[::1]:18830")
    assert isinstance(plain, MqttSettings)
    assert (plain.tls, plain.host, plain.port) == (False, "::1", 18830)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "sinks.broker: the key 'url' is required"),
        ({"url": "broker.local"}, "sinks.broker.url: must be an address such as mqtt://"),
        ({"url": "mqtt://watcher:hunter2@broker.local"}, "sinks.broker.url: .* keys of their own"),
        ({"url": "mqtt://broker.local/topic"}, "sinks.broker.url: must be mqtt:// or mqtts://, host and port"),
        ({"url": "mqtt://b", "password": "hunter2"}, "sinks.broker.password: needs a username"),
        ({"url": "mqtt://b", "ca_file": "/ca.pem"}, "sinks.broker.ca_file: is for TLS"),
        ({"url": "mqtt://b", "prefix": "a/#"}, "sinks.broker.prefix: must be the beginning of a topic"),
        ({"url": "mqtt://b", "prefix": "/a"}, "sinks.broker.prefix: must be"),
        ({"url": "mqtt://b", "prefix": "a" * 129}, "sinks.broker.prefix: must be"),
        ({"url": "mqtt://b", "secret": "x"}, "sinks.broker.secret: unknown key"),
    ],
)
def test_a_broker_that_cannot_be_used_is_refused(mapping: dict[str, object], message: str) -> None:
    """With path and reason, and without the password."""
    with pytest.raises(ConfigError, match=message) as refused:
        parse_sink("broker", {"type": "mqtt", **mapping})
    assert "hunter2" not in str(refused.value)


def test_names_of_the_apis_own_clients_are_taken() -> None:
    """Metrics would not tell them apart."""
    with pytest.raises(ConfigError, match="'sse' is taken"):
        parse_sink("sse", {"type": "webhook", "url": URL})


def test_secrets_are_not_shown_by_accident() -> None:
    """Neither the secret nor the address is part of what a log would show."""
    shown = repr(parse_sink("hook", {"type": "webhook", "url": URL, "secret": SECRET}))
    assert SECRET not in shown and "hunter2" not in shown and "s3cr3t" not in shown


def test_a_query_may_only_name_sinks_that_are_there() -> None:
    """A misspelt name is no wish for silence."""
    check_deliver(Query("goal", "a goal", deliver=("hook",)), ["hook"])
    check_deliver(Query("goal", "a goal"), [])
    with pytest.raises(ConfigError, match=r"queries.goal.deliver: there is no sink 'hok'; did you mean 'hook'\?"):
        check_deliver(Query("goal", "a goal", deliver=("hok",)), ["hook"])
    with pytest.raises(ConfigError, match="there are none; add it to the settings file"):
        check_deliver(Query("goal", "a goal", deliver=("hook",)), [])
