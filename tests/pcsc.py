"""A card in a virtual reader of pcscd, and a program of another hand that reads it.

There is one pcscd on a machine, so one test at a time has it.
"""

import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from peers import need

RELAY = """\
import sys
from smartcard.CardConnection import CardConnection
from smartcard.System import readers

wanted = {"T0": CardConnection.T0_protocol, "T1": CardConnection.T1_protocol}[sys.argv[1]]
connection = readers()[0].createConnection()
connection.connect(wanted)
print(bytes(connection.getATR()).hex(), flush=True)
for line in sys.stdin:
    data, sw1, sw2 = connection.transmit(list(bytes.fromhex(line)))
    print(bytes([*data, sw1, sw2]).hex(), flush=True)
"""
"""What pyscard does: its own code between us and pcscd."""
_PATIENCE = 15.0


class Relay:
    """A card as pyscard sees it; TPDUs over T=0, whole APDUs over T=1."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.atr = bytes.fromhex(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise AssertionError(self._process.stderr.read())
        return line

    def transmit(self, octets: str | bytes) -> bytes:
        """Exchange a TPDU or an APDU."""
        assert self._process.stdin is not None
        self._process.stdin.write((octets if isinstance(octets, str) else octets.hex()) + "\n")
        self._process.stdin.flush()
        return bytes.fromhex(self._line())

    def exchange(self, octets: str | bytes) -> bytes:
        """Exchange a command as a terminal of T=0 does: GET RESPONSE and the right Le follow."""
        command = bytes.fromhex(octets) if isinstance(octets, str) else octets
        answer = self.transmit(command)
        if answer[0] in {0x61, 0x9F} and len(answer) == 2:
            return self.transmit(bytes([command[0] & 0xF3, 0xC0, 0, 0, answer[1]]))
        if answer[0] == 0x6C and len(answer) == 2:
            return self.transmit(command[:4] + answer[1:2])
        return answer


class Reader:
    """A virtual reader of a pcscd that is ours."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextmanager
    def card(self, image: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
        """Put the card of an image into the reader by `cardsync card serve`."""
        command = [sys.executable, "-m", "cardsync", "card", "serve", str(image)]
        with subprocess.Popen(
            [*command, "--port", str(self.port), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                assert "is in the reader" in process.stdout.readline()
                await_reader(True)
                yield process
            finally:
                process.terminate()

    @contextmanager
    def pyscard(self, protocol: str = "T0") -> Iterator[Relay]:
        """Let pyscard connect to the card."""
        python = need("python:smartcard")
        with subprocess.Popen(
            [python, "-c", RELAY, protocol],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Relay(process)
            finally:
                process.terminate()


def await_reader(inserted: bool) -> None:
    """Wait until pcscd knows whether a card is in its first reader."""
    tool, end, word = need("opensc-tool"), time.monotonic() + _PATIENCE, "Yes" if inserted else "No"
    while time.monotonic() < end:
        listed = subprocess.run([tool, "-l"], check=False, capture_output=True, text=True).stdout
        if re.search(rf"^0\s+{word}\b.*Virtual PCD 00 00", listed, re.MULTILINE):
            return
        time.sleep(0.1)
    raise AssertionError(f"pcscd tells after {_PATIENCE} s:\n{listed}")


def _listening() -> set[int]:
    """Give the ports on which something listens."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"}


def _free_pair() -> int:
    """Give the first of two ports one after the other on which nothing listens."""
    taken = _listening()
    return next(port for port in range(36100, 36900, 2) if not {port, port + 1} & taken)


@contextmanager
def reader() -> Iterator[Reader]:
    """Start a pcscd with virtual readers, alone on this machine; skip where there is another."""
    pcscd = need("pcscd")
    driver = Path(need("/etc/reader.conf.d/vpcd")).read_text()
    lock = Path(tempfile.gettempdir()) / "cardsync-pcscd.lock"
    with lock.open("w") as held, tempfile.TemporaryDirectory() as folder:
        fcntl.flock(held, fcntl.LOCK_EX)
        port = _free_pair()
        changed = re.sub(r"0x8C7B", f"0x{port:04X}", driver, flags=re.IGNORECASE)
        Path(folder, "vpcd").write_text(changed)
        with subprocess.Popen(
            [pcscd, "--foreground", "--config", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                _await_port(process, port)
                yield Reader(port)
            finally:
                process.terminate()


def _await_port(process: "subprocess.Popen[str]", port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            assert process.stdout is not None
            reason = f"pcscd does not start: {process.stdout.read()[-300:]}"
            if os.environ.get("CARDSYNC_REQUIRE_PEERS") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        if port in _listening():
            return
        time.sleep(0.05)
    raise AssertionError("pcscd offers no reader")
