from pathlib import Path

import pytest

from stream.errors import ConfigError
from stream.query import Query
from stream.settings import (
    ENVIRONMENT,
    ClipSettings,
    RetentionSettings,
    ServerSettings,
    StreamSettings,
    load_settings,
    parse_settings,
)

EXAMPLE = """
model: /models/demo.safetensors
data_dir: /var/lib/r2stream
database: postgresql://me:letmein@db/events
retention: {max_events: 500, max_age: 30d}
server: {host: 0.0.0.0, port: 9000}
streams:
  pitch: {url: "rtsp://me:hunter2@cam/1", transport: udp}
  gate: demo://broadcast
queries:
  goal: {text: a player scores a goal, streams: [pitch], threshold: {enter: 0.6, exit: 0.4}, min_duration: 2s}
  foul: a player is fouled
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r2stream.yaml"
    path.write_text(text)
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    """Streams and queries in full or in short."""
    settings = load_settings(write(tmp_path, EXAMPLE), {})
    assert (settings.model, settings.device) == ("/models/demo.safetensors", "cpu")
    assert settings.data_dir == Path("/var/lib/r2stream")
    assert settings.database == "postgresql://me:letmein@db/events"
    assert settings.retention == RetentionSettings(500, 2_592_000.0)
    assert settings.server == ServerSettings("0.0.0.0", 9000)
    assert settings.streams == {
        "pitch": StreamSettings("pitch", "rtsp://me:hunter2@cam/1", transport="udp"),
        "gate": StreamSettings("gate", "demo://broadcast"),
    }
    assert settings.queries["goal"].streams == ("pitch",)
    assert settings.queries["foul"] == Query("foul", "a player is fouled")


def test_nothing_written_is_all_defaults(tmp_path: Path) -> None:
    """No file and an empty file mean the same."""
    defaults = load_settings(None, {})
    assert (
        defaults == load_settings(write(tmp_path, "# nothing yet\n"), {}) == load_settings(None, {"R2STREAM_PORT": ""})
    )
    assert defaults.model == "demo"
    assert defaults.server == ServerSettings()
    assert not defaults.streams and not defaults.queries
    assert defaults.data_dir.is_absolute()


def test_clips_have_a_folder_and_bounds(tmp_path: Path) -> None:
    """Sizes and times with units; the folder is inside the data directory unless said otherwise."""
    text = "data_dir: /data\nclips: {max_bytes: 2GiB, max_age: 1h, memory_per_stream: 0}"
    settings = load_settings(write(tmp_path, text), {})
    assert settings.clips == ClipSettings(max_bytes=2 << 30, max_age_s=3600.0, memory_per_stream=0)
    assert settings.clips_dir == Path("/data/clips") and settings.packets_dir == Path("/data/packets")
    assert load_settings(write(tmp_path, "clips: {disk_per_stream: 2GiB}"), {}).clips.disk_per_stream == 2 << 30
    assert load_settings(write(tmp_path, "clips: {folder: /clips}"), {}).clips_dir == Path("/clips")
    with pytest.raises(ConfigError, match=r"clips\.max_bytes: must be a size such as 64MiB"):
        load_settings(write(tmp_path, "clips: {max_bytes: much}"), {})
    with pytest.raises(ConfigError, match=r"clips\.disk_per_stream: needs memory_per_stream above 0"):
        load_settings(write(tmp_path, "clips: {memory_per_stream: 0, disk_per_stream: 1GB}"), {})


def test_clips_may_be_kept_elsewhere(tmp_path: Path) -> None:
    """At an address of any protocol that holds files; what is secret about it shows nowhere."""
    written = (
        "data_dir: /data\nclips: {folder: 's3://bucket/live', options: {key: id, secret: hush, client_kwargs: {a: b}}}"
    )
    settings = load_settings(write(tmp_path, written), {})
    assert settings.clips.address == "s3://bucket/live" and settings.clips_dir == Path("/data/clips-to-upload")
    assert settings.clips.options == {"key": "id", "secret": "hush", "client_kwargs": {"a": "b"}}
    assert "hush" not in repr(settings)
    local = load_settings(write(tmp_path, "clips: {folder: 'file:///srv/clips'}"), {})
    assert (local.clips.address, local.clips_dir) == (None, Path("/srv/clips"))
    refused = {
        "clips: {folder: 's4://bucket'}": "clips.folder: nothing is known of s4://…; did you mean 's3",
        "clips: {folder: 'https://example.com/'}": "clips.folder: clips cannot be kept at https://…",
        "clips: {folder: 'simplecache::s3://bucket'}": "clips.folder",
        "clips: {folder: 's3://'}": "must say where, such as s3://bucket/prefix",
        "clips: {options: {key: id}}": "clips.options: are for an address such as s3://…, and folder is none",
        "clips: {folder: 's3://b', options: id}": "clips.options: must be a mapping",
    }
    for text, problem in refused.items():
        with pytest.raises(ConfigError) as caught:
            load_settings(write(tmp_path, text), {})
        assert problem in str(caught.value)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """Every documented variable replaces its setting."""
    environ = {
        "R2STREAM_MODEL": "hf://a/b/c",
        "R2STREAM_DEVICE": "cuda:1",
        "R2STREAM_DATA_DIR": "/data",
        "R2STREAM_DATABASE": "postgresql://db/events",
        "R2STREAM_HOST": "::1",
        "R2STREAM_PORT": "0",
        "R2STREAM_TOKEN": "hunter2",
        "HOME": "/root",
    }
    assert set(ENVIRONMENT) == {name for name in environ if name.startswith("R2STREAM_")}
    settings = load_settings(write(tmp_path, EXAMPLE), environ)
    assert (settings.model, settings.device, settings.data_dir) == ("hf://a/b/c", "cuda:1", Path("/data"))
    assert settings.server == ServerSettings("::1", 0, "hunter2")


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    """A path given directly wins."""
    path = write(tmp_path, "model: mine")
    assert load_settings(None, {"R2STREAM_CONFIG": str(path)}).model == "mine"
    other = tmp_path / "other.yaml"
    other.write_text("model: other")
    assert load_settings(other, {"R2STREAM_CONFIG": str(path)}).model == "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("streems: {}", r"streems: unknown key; did you mean 'streams'\?"),
        ("streams: {pitch: {urll: x}}", "streams.pitch: the key 'url' is required"),
        (
            "streams: {pitch: {url: x, transprt: udp}}",
            r"streams.pitch.transprt: unknown key; did you mean 'transport'\?",
        ),
        ("streams: {pitch: {url: x, transport: quic}}", "streams.pitch.transport: must be one of"),
        ("streams: {pitch: {url: ' '}}", "streams.pitch.url: must say where the stream comes from"),
        ("streams: {pitch: }", "streams.pitch: must be a mapping of keys to values, not nothing"),
        ("streams: {Big Pitch: x}", "streams: the name 'Big Pitch' must be"),
        ("streams: {1: x}", "streams: the name 1 must be"),
        ("streams: [a, b]", "streams: must be a mapping of keys to values, not a list"),
        ("server: {prt: 1}", r"server.prt: unknown key; did you mean 'port'\?"),
        ("server: {port: 70000}", "server.port: must be a port number"),
        ("server: {port: http}", "server.port: must be a number"),
        ("queries: {goal: {text: a, treshold: 1}}", r"queries.goal.treshold: unknown key; did you mean 'threshold'\?"),
        ("retention: {max_events: 0}", "retention.max_events: must be at least 1"),
        ("retention: {max_age: 0}", "retention.max_age: must be above 0; leave it out"),
        ("model: ''", "model: must not be empty"),
        ("just text", "must be a mapping of keys to values, not text"),
        ("model: a\nmodel: b", "line 2, column 1: is not valid YAML: the key 'model' is written twice"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    """File, place, what is wrong, and the nearest valid key."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(path, {})
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("R2STREAM_PRT", "1", r"^R2STREAM_PRT: unknown environment variable; did you mean 'R2STREAM_PORT'\?"),
        ("R2STREAM_PORT", "http", "^R2STREAM_PORT: must be a port number"),
        ("R2STREAM_PORT", "70000", "^R2STREAM_PORT: must be a port number"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path, name: str, value: str, message: str) -> None:
    """And not the file, which is fine."""
    with pytest.raises(ConfigError, match=message):
        load_settings(write(tmp_path, EXAMPLE), {name: value})


def test_variables_of_kubernetes_are_not_ours() -> None:
    """A cluster adds them to every container beside a service called r2stream."""
    environ = {
        "R2STREAM_PORT": "tcp://10.0.0.7:8642",
        "R2STREAM_SERVICE_HOST": "10.0.0.7",
        "R2STREAM_SERVICE_PORT_HTTP": "8642",
        "R2STREAM_PORT_8642_TCP_ADDR": "10.0.0.7",
        "R2STREAM_WEB_PORT_80_TCP": "tcp://10.0.0.8:80",
    }
    assert load_settings(None, environ) == load_settings(None, {})


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Neither the password in a URL nor the token appears in what a log may print."""
    settings = load_settings(write(tmp_path, EXAMPLE), {"R2STREAM_TOKEN": "sesame"})
    assert "letmein" not in repr(settings)
    assert "hunter2" not in repr(settings) and "sesame" not in repr(settings)
    assert settings.streams["pitch"].shown_url == "rtsp://me:***@cam/1"


@pytest.mark.parametrize(
    ("stream", "address"),
    [
        (StreamSettings("a", "rtsp://cam/1"), "rtsp://cam/1"),
        (StreamSettings("a", "rtsp://cam/1", transport="udp"), "rtsp://cam/1#transport=udp"),
        (StreamSettings("a", "a.mp4", pace="fast"), "a.mp4"),
        (StreamSettings("a", "http://h/a#pace=fast", transport="tcp"), "http://h/a#pace=fast&transport=tcp"),
    ],
)
def test_the_source_address_carries_the_transport(stream: StreamSettings, address: str) -> None:
    """Sources read it from the fragment, which no server ever sees."""
    assert stream.source_address == address


def test_a_stream_survives_being_stored() -> None:
    """`parse` reads what `to_mapping` writes, and `patched` changes only what is named."""
    stream = StreamSettings("a", "rtsp://cam/1", transport="udp", pace="fast", enabled=False)
    assert StreamSettings.parse("a", stream.to_mapping()) == stream
    assert stream.patched({"enabled": True, "transport": None, "pace": None}) == StreamSettings("a", "rtsp://cam/1")
    with pytest.raises(ConfigError, match="unknown key"):
        stream.patched({"uri": "x"})


def test_settings_can_be_made_from_plain_data() -> None:
    """For commands that need no file."""
    settings = parse_settings({"streams": {"demo": "demo://broadcast"}})
    assert list(settings.streams) == ["demo"]
