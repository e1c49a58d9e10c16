"""Real servers for tests: each in a process of its own on 127.0.0.1, started and stopped by its process id."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's own Python: the one that sees its GStreamer bindings."""
_GST_SERVER = Path(__file__).parent / "gst_rtsp_server.py"


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout_s: float = 30.0) -> None:
    """Returns once `process` listens on `port`; raises RuntimeError when it ends or takes too long."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen on port {port} (exit status {process.poll()})")


@dataclass
class ServerProcess:
    """One server. `stop` must be called at the end; `kill`, `pause` and `resume` play its misfortunes."""

    command: Sequence[str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Starts it (again, on the same port) and waits until it listens."""
        self.process = subprocess.Popen(
            [part.replace("{port}", str(self.port)) for part in self.command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port, self.process)

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)
            self.process = None

    stop = kill

    def pause(self) -> None:
        """Lets it hang: its connections stay open, but nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None:
            raise RuntimeError("The server is not running.")
        os.kill(self.process.pid, number)

    def url(self, path: str, user: str = "") -> str:
        """The RTSP address of `path` on this server."""
        return f"rtsp://{user}{'@' if user else ''}127.0.0.1:{self.port}/{path}"


def rtsp_folder_server(folder: Path) -> ServerProcess:
    """aio-rtsp-toolkit: serves each video of `folder` over RTSP/TCP; `name.mp4?play_count=0` goes on for ever."""
    program = (
        "import asyncio, sys; from aio_rtsp_toolkit import server;"
        "asyncio.run(server.serve(sys.argv[1], host='127.0.0.1', port=int(sys.argv[2])))"
    )
    return ServerProcess([sys.executable, "-W", "ignore", "-c", program, str(folder), "{port}"])


def gst_rtsp_server(mounts: Mapping[str, str], *, user: str = "", password: str = "") -> ServerProcess:
    """gst-rtsp-server: each of `mounts` (path: GStreamer pipeline) over TCP and UDP, behind a password if given one."""
    settings = json.dumps({"mounts": dict(mounts), "user": user, "password": password})
    return ServerProcess([SYSTEM_PYTHON, str(_GST_SERVER), settings, "{port}"])


def mosquitto(folder: Path, *settings: str) -> ServerProcess:
    """An MQTT broker that keeps nothing on the disk; without further settings, everybody may do everything."""
    config = folder / "mosquitto.conf"
    server = ServerProcess([find_mosquitto(), "-c", str(config)])
    lines = [f"listener {server.port} 127.0.0.1", "user root", "persistence false"]
    lines += settings or ["allow_anonymous true"]
    config.write_text("\n".join(lines) + "\n")
    return server


def find_mosquitto() -> str:
    """Where the broker is; empty where it is not installed. Debian keeps it out of a user's path."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin") or ""


def gst_rtsp_server_is_missing() -> str:
    """Why gst-rtsp-server cannot be used here; empty when it can."""
    if not Path(SYSTEM_PYTHON).exists():
        return f"gst-rtsp-server: no {SYSTEM_PYTHON}"
    found = subprocess.run([SYSTEM_PYTHON, str(_GST_SERVER), "--check"], capture_output=True, timeout=30, check=False)
    return "" if found.returncode == 0 else "gst-rtsp-server: not installed (gir1.2-gst-rtsp-server-1.0, python3-gi)"


def postgres_is_missing() -> str:
    """Why PostgreSQL cannot be started here; empty when it can."""
    if _postgres_program("initdb") is None:
        return "PostgreSQL is not installed (Debian: postgresql)"
    if os.getuid() == 0 and _postgres_user() is None:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


class PostgresServer(ServerProcess):
    """A PostgreSQL server with data of its own in `folder`, which a user of its own must be able to reach."""

    def __init__(self, folder: Path) -> None:
        self.user = _postgres_user() if os.getuid() == 0 else None
        if self.user is not None:
            shutil.chown(folder, self.user, self.user)
        self.folder = folder
        self.password = "pg-secret"
        (folder / "password").write_text(self.password)
        if self.user is not None:
            shutil.chown(folder / "password", self.user, self.user)
        data, secret = str(folder / "data"), str(folder / "password")
        make = [
            _program("initdb"),
            "-D",
            data,
            "-U",
            "r2stream",
            "-A",
            "scram-sha-256",
            "--pwfile",
            secret,
            "-E",
            "UTF8",
        ]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, user=self.user, cwd=folder)
        options = ("listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "shared_buffers=16MB")
        settings = [part for option in options for part in ("-c", option)]
        super().__init__([_program("postgres"), "-D", data, "-p", "{port}", *settings])

    def start(self) -> None:
        self.process = subprocess.Popen(
            [part.replace("{port}", str(self.port)) for part in self.command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self.user,
            cwd=self.folder,
        )
        wait_for_port(self.port, self.process)

    def stop(self) -> None:
        """Fast shutdown: clients are cut off, data is written."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=20)

    def database_url(self, name: str = "postgres", password: str | None = None) -> str:
        return f"postgresql://r2stream:{password or self.password}@127.0.0.1:{self.port}/{name}"


def _postgres_user() -> str | None:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


def _postgres_program(name: str) -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(installed[-1]) if installed else shutil.which(name)


def _program(name: str) -> str:
    found = _postgres_program(name)
    assert found is not None, postgres_is_missing()
    return found


S3_BUCKET = "clips"
_S3 = f"""
from moto.s3.models import s3_backends
from moto.server import main
s3_backends["123456789012"]["aws"].create_bucket("{S3_BUCKET}", "us-east-1")
main(["-H", "127.0.0.1", "-p", "{{port}}"])
"""


def s3_server() -> ServerProcess:
    """A server that speaks S3 and keeps everything in memory; there is a bucket `S3_BUCKET` from the start."""
    return ServerProcess([sys.executable, "-c", _S3])
