"""The stage of the demo: its home, the card that is made once, the processes and what they say.

The operator and the mobile are processes of their own that share nothing but SMPP and HTTP; this
one starts them, listens to what they tell, and stops them.
"""

import fcntl
import json
import os
import queue
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from cardsync.card.personalisation import Subscriber, personalise
from cardsync.card.slot import write_image
from cardsync.errors import ConfigError
from cardsync.fleet.legacy import CHARACTERS, Kind
from cardsync.ota.security import Algorithm, Key, KeySet

ICCID = "8988211000000000017"
IMSI = "001010000000017"
MSISDN = "882130000000017"
IMEI = CHARACTERS[Kind.AGENT].imei
SHORT_CODE = "2210"
SYSTEM_ID = "operator"
USUAL_PORTS = {"http": 8080, "smpp": 2775, "reports": 9000}
HASTE = 120.0
"""So that ten minutes of a card's patience are five seconds for who watches."""
_KEY_SETS = (1, 2)


def default_home() -> Path:
    """Give the folder in which the demo keeps its things, by who runs it.

    PostgreSQL does not run as root; below root's home no other account can reach its files.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/cardsync/demo")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "cardsync" / "demo"


@dataclass(frozen=True, slots=True)
class Said:
    """A line of a process, or its end: `kind` "ended", with its `status`."""

    process: str
    kind: str
    fields: dict[str, Any]


class Stage:
    """The home of a demo, held by one process at a time."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.said: queue.Queue[Said] = queue.Queue()
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._listeners: dict[str, socket.socket] = {}
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        """Make the home and take hold of it; raise `ConfigError` if another demo has it."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self._lock = (self.home / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigError(
                f"{self.home}: another demo is running here; end it, or give this one a home of "
                "its own with --home"
            ) from exc
        except OSError as exc:
            raise ConfigError(
                f"{self.home}: cannot be used: {exc}; choose one with --home"
            ) from exc
        return self

    def __exit__(self, *_: object) -> None:
        """Stop every process, the mobile first."""
        for name in ("mobile", "operator"):
            self.stop(name)
        for listener in self._listeners.values():
            listener.close()
        if self._lock is not None:
            self._lock.close()

    def clear(self) -> None:
        """Throw away what earlier runs have left; the operator's PostgreSQL must be down."""
        for name in ("operator", "mobile", "ports.json"):
            path = self.home / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def card(self) -> str | None:
        """Make the card if there is none yet; give what its maker tells the operator.

        The keys go to the operator through a pipe and stay nowhere but in the card and, sealed,
        in the operator's database. The card is in use once the operator has it: `keep_card`.
        """
        folder = self.home / "mobile"
        folder.mkdir(mode=0o700, exist_ok=True)
        if (folder / "card.image").exists():
            return None
        image = folder / "card.made"
        keys = {n: (secrets.token_bytes(16), secrets.token_bytes(16)) for n in _KEY_SETS}
        sets = [KeySet(n, *(Key(Algorithm.AES, key) for key in pair)) for n, pair in keys.items()]
        write_image(image, personalise(Subscriber(ICCID, IMSI), sets))
        made = [{"number": n, "kic": kic.hex(), "kid": kid.hex()} for n, (kic, kid) in keys.items()]
        card = {"iccid": ICCID, "imsi": IMSI, "msisdn": MSISDN, "algorithm": "AES", "keys": made}
        return json.dumps([card])

    def keep_card(self) -> None:
        """Put the card that was made into the mobile: the operator knows its keys now."""
        made = self.home / "mobile" / "card.made"
        if made.exists():
            made.rename(made.with_name("card.image"))

    def ports(self) -> dict[str, int]:
        """Listen on the ports of this demo and give them: those of its last run, or the usual ones.

        A port that somebody has is passed over. The processes inherit the sockets: between
        looking for a free port and taking it nobody comes in.
        """
        path = self.home / "ports.json"
        try:
            wanted = USUAL_PORTS | json.loads(path.read_text())
        except (OSError, ValueError):
            wanted = USUAL_PORTS
        self._listeners = {name: _listener(wanted[name]) for name in USUAL_PORTS}
        found = {name: one.getsockname()[1] for name, one in self._listeners.items()}
        path.write_text(json.dumps(found))
        return found

    def descriptor(self, name: str) -> int:
        """Give the number of a listening socket, to be told to the process that inherits it."""
        return self._listeners[name].fileno()

    def start(
        self, name: str, *arguments: str, listeners: tuple[str, ...], secret: str = ""
    ) -> int:
        """Start a process of ours with its listening sockets; give its number.

        `secret` is told to it in its environment.
        """
        environment = os.environ | ({"CARDSYNC_SMPP_PASSWORD": secret} if secret else {})
        log = (self.home / f"{name}.log").open("a")
        process = subprocess.Popen(
            [sys.executable, "-m", "cardsync", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            text=True,
            pass_fds=tuple([self.descriptor(one) for one in listeners]),
        )
        log.close()
        # Ours is closed: when the process dies, who calls is refused and does not wait.
        for one in listeners:
            self._listeners.pop(one).close()
        self._processes[name] = process
        threading.Thread(target=self._listen, args=(name, process), daemon=True).start()
        return process.pid

    def tell(self, name: str, line: str, *, close: bool = False) -> None:
        """Write a line to the standard input of a process; one that has ended hears nothing."""
        stdin = self._processes[name].stdin
        if stdin is None:
            return
        try:
            stdin.write(line + "\n")
            stdin.flush()
            if close:
                stdin.close()
        except OSError:
            pass

    def _listen(self, name: str, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            try:
                fields = json.loads(line)
            except ValueError:
                continue
            self.said.put(Said(name, fields.pop("kind", ""), fields))
        self.said.put(Said(name, "ended", {"status": process.wait()}))

    def stop(self, name: str) -> None:
        """End a process in order; one that does not end within ten seconds is killed."""
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def last_words(self, name: str) -> str:
        """Give the last line that a process wrote into its log."""
        path = self.home / f"{name}.log"
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return lines[-1] if lines else "it said nothing"


def operator_arguments(stage: Stage, ports: dict[str, int], policy: Path) -> tuple[str, ...]:
    """Give the arguments of the operator's process; its cards come on standard input."""
    return (
        "operator", "serve", "--home", str(stage.home / "operator"),
        "--listen-fd", str(stage.descriptor("http")),
        "--reports-fd", str(stage.descriptor("reports")), "--smsc", f"127.0.0.1:{ports['smpp']}",
        "--system-id", SYSTEM_ID, "--number", SHORT_CODE,
        "--policy", str(policy), "--trial", "--cards", "-", "--journal",
    )  # fmt: skip


def mobile_settings(stage: Stage, password: str, kind: str = Kind.AGENT) -> dict[str, Any]:
    """Give the settings of the mobile's process; a terminal that is silent gets a hasty clock."""
    return {
        "home": str(stage.home / "mobile"), "imei": CHARACTERS[Kind(kind)].imei, "kind": kind,
        "pace": HASTE if kind == Kind.SILENT else 1.0, "msisdn": MSISDN,
        "short_code": SHORT_CODE, "system_id": SYSTEM_ID, "password": password,
        "smsc_descriptor": stage.descriptor("smpp"),
    }  # fmt: skip


def _listener(port: int) -> socket.socket:
    """Listen on a port of this machine, or on any that is free if somebody has it."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))
