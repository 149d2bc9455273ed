"""Operator and mobile as two systems that share nothing but the protocols (R-02).

Each is a process in a network namespace of its own; a veth pair is all that joins them.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cardsync.fleet import journey
from cardsync.fleet.journey import Stage
from peers import need

PREFIX = f"cs{os.getpid() % 100000}"
OPERATOR, MOBILE = "10.203.0.1", "10.203.0.2"
POLICY = Path(journey.__file__).with_name("demo.toml")
_PATIENCE = 120.0
_INHERIT = """
import os, socket, sys
listener = socket.create_server((sys.argv[1], 0))
listener.set_inheritable(True)
print(listener.fileno(), listener.getsockname()[1], flush=True)
os.execv(sys.executable, [sys.executable, "-m", "cardsync", "mobile"])
"""


def ip(*arguments: str) -> None:
    """Run `ip`; what it says of a failure is the reason."""
    subprocess.run([need("ip"), *arguments], check=True, capture_output=True, text=True)


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Make two network namespaces, joined by a pair of interfaces."""
    names = f"{PREFIX}o", f"{PREFIX}m"
    try:
        for name in names:
            ip("netns", "add", name)
            ip("netns", "exec", name, "true")
    except subprocess.CalledProcessError as exc:
        for name in names:
            subprocess.run([need("ip"), "netns", "del", name], check=False, capture_output=True)
        pytest.skip(f"network namespaces need root, and a root that is mounted: {exc.stderr}")
    try:
        ip("link", "add", names[0], "type", "veth", "peer", "name", names[1])
        for name, address in zip(names, (OPERATOR, MOBILE), strict=True):
            ip("link", "set", name, "netns", name)
            ip("-n", name, "addr", "add", f"{address}/24", "dev", name)
            ip("-n", name, "link", "set", name, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run([need("ip"), "netns", "del", name], check=False)


@pytest.fixture
def home() -> Iterator[Path]:
    """Give a folder that the account of PostgreSQL can enter, too."""
    folder = Path(tempfile.mkdtemp(prefix="cardsync-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Process:
    """A process in a namespace; it tells what happens, one JSON object a line."""

    def __init__(self, namespace: str, *arguments: str, password: str = "") -> None:
        self._process = subprocess.Popen(
            [need("ip"), "netns", "exec", namespace, sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"CARDSYNC_SMPP_PASSWORD": password},
        )
        self._watchdog = threading.Timer(_PATIENCE, self._process.kill)
        self._watchdog.start()
        assert self._process.stdin
        assert self._process.stdout
        self.stdin, self.stdout = self._process.stdin, self._process.stdout

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        self.stdin.write(line + "\n")
        self.stdin.flush()

    def hear(self, kind: str) -> dict[str, Any]:
        """Wait for what it tells of one kind."""
        for line in self.stdout:
            told: dict[str, Any] = json.loads(line)
            if told["kind"] == kind:
                return told
        raise AssertionError(f"ended before it told of {kind}")

    def stop(self) -> None:
        """End it in order."""
        self._watchdog.cancel()
        self._process.terminate()
        self._process.wait(timeout=30)
        self.stdin.close()
        self.stdout.close()


def serve(namespace: str, home: Path, centre: str, password: str, transport: str) -> Process:
    """Start the operator; its cards come on standard input. Its policy wants a transport."""
    policy = home / "policy.toml"
    policy.write_text(POLICY.read_text().replace('["https", "http"]', f'["{transport}"]'))
    return Process(
        namespace,
        *("-m", "cardsync", "operator", "serve", "--home", str(home / "operator")),
        *("--host", OPERATOR, "--smsc", centre, "--system-id", journey.SYSTEM_ID),
        *("--number", journey.SHORT_CODE, "--policy", str(policy), "--trial"),
        *("--cards", "-", "--journal", "--wsp", OPERATOR),
        password=password,
    )


@pytest.mark.parametrize("transport", ["http", "wsp"])
def test_whole_journey_between_two_hosts(
    namespaces: tuple[str, str], home: Path, transport: str
) -> None:
    """Loaded over SMPP, commanded, synchronized over HTTP or WSP: nothing else joins the two.

    The address is one of HTTP for both; WSP goes to its host at port 9201.
    """
    password = secrets.token_urlsafe(6)[:8]
    with Stage(home) as stage:
        card = stage.card()
        mobile = Process(namespaces[1], "-c", _INHERIT, MOBILE)
        descriptor, port = mobile.stdout.readline().split()
        operator = serve(namespaces[0], home, f"{MOBILE}:{port}", password, transport)
        try:
            operator.tell(card or "[]")
            operator.stdin.close()
            operator.hear("ready")
            stage.keep_card()
            settings = {
                "home": str(home / "mobile"), "imei": journey.IMEI, "msisdn": journey.MSISDN,
                "short_code": journey.SHORT_CODE, "system_id": journey.SYSTEM_ID,
                "password": password, "smsc_descriptor": int(descriptor),
            }  # fmt: skip
            mobile.tell(json.dumps(settings))
            mobile.hear("listening")
            mobile.tell("on")
            done = mobile.hear("synchronized")
        finally:
            mobile.stop()
            operator.stop()

    assert "00" == done["result"]
    assert done["sent"] == done["parameters"] + done["applications"] > 0
    trace = (home / "mobile" / "trace.pcapng").read_bytes()
    assert (transport == "http") is (b"POST /dm HTTP/1.1" in trace)
