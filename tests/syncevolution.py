"""SyncEvolution of Debian, an independent SyncML client and server, for the tests.

Both keep their items as files of a folder, one each, and their memory in a home of their own.
The server runs on a private D-Bus; `Peer.stop` ends what was started, by process.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from peers import need

USER, PASSWORD = "test", "secret"
_SECONDS = 60
_SERVER = "/usr/bin/syncevo-http-server"
_PYTHON = "/usr/bin/python3"  # Debian's own, which has its modules


def built(home: Path) -> Path:
    """Build what repairs the client's use of libcurl; needs a C compiler."""
    library = home / "syncevolution_curl.so"
    source = Path(__file__).with_name("syncevolution_curl.c")
    subprocess.run([need("gcc"), "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    return library


def environment(home: Path) -> dict[str, str]:
    """Give an environment in which SyncEvolution finds and keeps everything below a home."""
    folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA")}
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8", **folders}


def by_text(folder: Path) -> dict[str, Path]:
    """Give the files of a folder by their words: SyncEvolution breaks lines in its own way."""
    files = [path for path in folder.iterdir() if path.name[0] != "."]
    return {" ".join(path.read_text().split()): path for path in files}


def contents(folder: Path) -> list[str]:
    """Give the words in the files of a folder, in order."""
    files = [path for path in folder.iterdir() if path.name[0] != "."]
    return sorted(" ".join(path.read_text().split()) for path in files)


def _configure_client(
    where: dict[str, str], items: Path, url: str, database: str, properties: dict[str, str]
) -> None:
    usual = {
        "syncURL": url, "username": USER, "password": PASSWORD,
        "enableWBXML": "1", "clientAuthType": "md5", "SyncMLVersion": "",
        "preventSlowSync": "0", "enableRefreshSync": "1", "maxMsgSize": "150000",
        "maxObjSize": "4000000", "loglevel": "1", "printChanges": "0", "dumpData": "0",
        "RetryDuration": "10", "RetryInterval": "1", "backend": "file",
        "database": f"file://{items}", "databaseFormat": "text/plain", "uri": database,
        "sync": "two-way",
    }  # fmt: skip
    given = [f"{name}={value}" for name, value in {**usual, **properties}.items()]
    subprocess.run(
        ["syncevolution", "--daemon=no", "--configure", "--keyring=no", "--template", "none",
         *given, "peer@default", "items"],
        check=True, capture_output=True, env=where, timeout=_SECONDS,
    )  # fmt: skip


class Client:
    """The client, as a device with one folder of texts."""

    def __init__(self, home: Path, library: Path, device: str) -> None:
        need("syncevolution")
        self.items = home / "items"
        self.items.mkdir(parents=True)
        self._home = home
        self._device = device
        self._environment = {**environment(home), "LD_PRELOAD": str(library)}

    def configure(self, url: str, database: str, **properties: str) -> None:
        """Tell it of the server; `properties` are those of SyncEvolution."""
        given = {"deviceId": self._device, **properties}
        _configure_client(environment(self._home), self.items, url, database, given)

    def start(self, mode: str) -> "subprocess.Popen[str]":
        """Begin to synchronize."""
        return subprocess.Popen(
            ["syncevolution", "--daemon=no", "--sync", mode, "peer@default", "items"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment,
        )  # fmt: skip

    def sync(self, mode: str = "two-way") -> str:
        """Synchronize; give what it said. Fails the test where it failed."""
        running = self.start(mode)
        said, _ = running.communicate(timeout=_SECONDS)
        assert running.returncode == 0, said
        return said


class Peer:
    """The server, on a private D-Bus; a database and a device for each test."""

    def __init__(self, home: Path) -> None:
        need("syncevolution")
        need("syncevo-http-server")
        self._home = home
        self._environment = environment(home)
        self._number = 0
        address = home / "bus"
        with address.open("wb") as out:
            self._bus = subprocess.Popen(
                [need("dbus-daemon"), "--session", "--nofork", "--nopidfile", "--print-address=1"],
                stdout=out, stderr=subprocess.DEVNULL, env=self._environment,
            )  # fmt: skip
        _wait(lambda: bool(address.read_text()), "the private D-Bus")
        self._environment["DBUS_SESSION_BUS_ADDRESS"] = address.read_text().strip()
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}/syncevolution"
        with (home / "server.log").open("wb") as log:
            self._server = subprocess.Popen(
                [_PYTHON, _SERVER, "--quiet", self.url],
                stdout=log, stderr=log, env=self._environment,
            )  # fmt: skip
        _wait(self._listens, "SyncEvolution's server")

    def pids(self) -> list[int]:
        """Find the processes that it consists of now; the bus starts some when they are needed."""
        return list(_with(f"XDG_CONFIG_HOME={self._environment['XDG_CONFIG_HOME']}"))

    def database(self, **properties: str) -> tuple[str, str, Path]:
        """Make a database of texts and a device that may use it: names and folder."""
        self._number += 1
        name, device = f"notes{self._number}", f"device{self._number}"
        folder = self._home / name
        folder.mkdir()
        usual = {"backend": "file", "database": f"file://{folder}", "databaseFormat": "text/plain"}
        peer = {
            "PeerIsClient": "1", "username": USER, "password": PASSWORD, "remoteDeviceId": device,
            "loglevel": "1", "dumpData": "0", "sync": "two-way", "uri": name, **properties,
        }  # fmt: skip
        self._configure(usual, "@default", name)
        self._configure(peer, f"{device}@default", name)
        return name, device, folder

    def client(self, url: str, database: str) -> Path:
        """Make it a client too, which a notification of the server at `url` may wake."""
        folder = self._home / "client"
        folder.mkdir()
        _configure_client(self._environment, folder, url, database, {"deviceId": "awoken"})
        return folder

    def stop(self) -> None:
        """End what was started, and what the bus has started for it."""
        for process in (self._server, self._bus):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _configure(self, properties: dict[str, str], target: str, name: str) -> None:
        given = [f"{key}={value}" for key, value in properties.items()]
        subprocess.run(
            ["syncevolution", "--daemon=no", "--configure", "--keyring=no", "--template", "none",
             *given, target, name],
            check=True, capture_output=True, env=self._environment, timeout=_SECONDS,
        )  # fmt: skip

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        if self._server.poll() is not None:
            pytest.fail((self._home / "server.log").read_text())
        return False


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait(is_there: "object", what: str) -> None:
    assert callable(is_there)
    deadline = time.monotonic() + 20
    while not is_there():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} does not start")
        time.sleep(0.05)


def _with(variable: str) -> Iterator[int]:
    """Find the processes whose environment has a variable: those of our private bus."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            if variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
