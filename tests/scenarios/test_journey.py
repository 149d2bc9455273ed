"""The whole journey, with its real processes, as a new user would run it (R-68).

An operator with its own PostgreSQL, a message centre, a terminal that reads this machine, a card:
`cardsync demo --once`, once, again, and with a process killed in the middle.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from peers import need
from specification import PLUGIN

_SECONDS = 120


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Give a folder that the account of PostgreSQL can enter, too."""
    folder = Path(tempfile.mkdtemp(prefix="cardsync-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def start(home: Path, *more: str, once: bool = True, **environment: str) -> "subprocess.Popen[str]":
    """Start a demo that ends by itself, unless it shall go on."""
    ends = ("--once",) if once else ()
    return subprocess.Popen(
        [sys.executable, "-m", "cardsync", "demo", *ends, "--home", str(home), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


@dataclass(frozen=True)
class Ran:
    """How a demo ended: its status, what it said, its trace and its SyncML messages."""

    status: int
    output: str
    trace: Path
    messages: tuple[Path, ...]


def finish(process: "subprocess.Popen[str]", home: Path, copy: Path) -> Ran:
    """Wait for the end of a demo and keep what the next one would overwrite."""
    output, _ = process.communicate(timeout=_SECONDS)
    shutil.copytree(home / "mobile", copy)
    messages = tuple(sorted((copy / "messages").iterdir()))
    return Ran(process.returncode, output, copy / "trace.pcapng", messages)


@pytest.fixture(scope="module")
def runs(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Ran]:
    """Run the demo twice."""
    copies = tmp_path_factory.mktemp("runs")
    demo = home / "demo"
    first = finish(start(demo), demo, copies / "first")
    return first, finish(start(demo), demo, copies / "second")


def figures(run: Ran) -> tuple[int, int, int]:
    """Give round trips, records sent and received, as the demo says them."""
    found = re.search(r"and (\d+) round trips: (\d+) records sent, (\d+) received", run.output)
    assert found, run.output
    trips, sent, received = map(int, found.groups())
    return trips, sent, received


def test_first_run_makes_both_databases_equal(runs: tuple[Ran, Ran]) -> None:
    """From nothing to equal databases; every step of the journey is told (R-01, R-68)."""
    first, _ = runs

    assert (0, True) == (first.status, "\nequal\n" in first.output), first.output
    assert set("ABCDEF") <= set(re.findall(r"^ *\d+  ([A-F])  ", first.output, re.MULTILINE))
    sides = re.findall(r"^(?:terminal|operator): (.*)$", first.output, re.MULTILINE)
    assert 1 == len(set(sides[-2:]))


def test_second_run_sends_nothing(runs: tuple[Ran, Ran]) -> None:
    """Two-way in two round trips, with nothing to send where the machine is as it was.

    It is a real machine: what somebody installs between the runs is sent, and no more.
    """
    _, second = runs
    found = re.search(r"\((\d+) new, (\d+) changed, (\d+) gone\)", second.output)

    assert 0 == second.status, second.output
    assert found
    assert (2, sum(map(int, found.groups())), 0) == figures(second)


def tshark(trace: Path, *arguments: str) -> list[str]:
    """Let tshark read a trace; give its lines."""
    command = [need("tshark"), "-r", str(trace), *arguments]
    read = subprocess.run(command, check=True, capture_output=True, text=True)
    return read.stdout.splitlines()


def test_tshark_reads_the_trace(runs: tuple[Ran, Ran]) -> None:
    """The fetch of our command, the envelopes and SMPP are there; nothing is malformed (R-50)."""
    for run in runs:
        assert [] == tshark(run.trace, "-Y", "_ws.malformed")
        fetched = tshark(run.trace, "-Y", "etsi_cat.comp_tlv.cmd_type == 0xf5")
        assert any("FETCH" in line for line in fetched)
        assert tshark(
            run.trace, "-Y", 'frame contains "Event Download" || gsm_sim.apdu.ins == 0xc2'
        )
    centre = tshark(runs[0].trace, "-Y", "smpp", "-T", "fields", "-e", "smpp.command_id")
    identifiers = {int(one, 16) for line in centre for one in line.split(",") if one}
    assert {0x00000009, 0x00000004, 0x00000005} <= identifiers
    assert tshark(runs[0].trace, "-Y", "gsm_sms.tp-pid == 127")


def test_other_code_points(home: Path, tmp_path: Path) -> None:
    """Card and terminal agree at other code points, and Wireshark is told of them (annex A)."""
    chosen = tmp_path / "points.toml"
    chosen.write_text("command = 0xF6\nevent = 0xF7\ntags = 0x7B00\nprofile_byte = 41\n")
    demo = home / "points"
    ran = finish(start(demo, CARDSYNC_CODE_POINTS=str(chosen)), demo, tmp_path / "ran")

    assert (0, True) == (ran.status, "\nequal\n" in ran.output), ran.output
    assert [] == tshark(ran.trace, "-Y", "etsi_cat.comp_tlv.cmd_type == 0xf5")
    preferences = ("command:246", "event:247", "tags:31488", "profile_byte:41")
    plugin = ("-X", f"lua_script:{PLUGIN}")
    told = [word for one in preferences for word in ("-o", f"reqsync.{one}")]
    found = "\n".join(tshark(ran.trace, *plugin, *told, "-Y", "reqsync", "-V"))
    for name in ("SYNCHRONIZATION, command", "Transport list", "Target database"):
        assert name in found


def test_wbxml2xml_reads_every_message(runs: tuple[Ran, Ran], tmp_path: Path) -> None:
    """Debian's wbxml2xml understands each SyncML message of both runs."""
    program = need("wbxml2xml")
    for run in runs:
        assert run.messages
        for message in run.messages:
            target = tmp_path / "message.xml"
            subprocess.run([program, "-o", target, message], check=True, capture_output=True)
            assert "<SyncML" in target.read_text()


def test_no_secret_in_the_trace(runs: tuple[Ran, Ran], home: Path) -> None:
    """The password of the SMPP bind is blotted out, and what the mobile keeps is its own."""
    centre = tshark(runs[0].trace, "-Y", "smpp.password", "-T", "fields", "-e", "smpp.password")

    assert {"********"} == set(centre)
    assert 0 == (home / "demo" / "mobile").stat().st_mode & 0o077
    assert 0 == (home / "demo" / "operator" / "master.key").stat().st_mode & 0o077


def operator_of(process: "subprocess.Popen[str]") -> int:
    """Give the process number of the operator of a running demo, as the demo tells it."""
    for line in process.stdout or ():
        if found := re.search(r"operator: process (\d+)", line):
            return int(found[1])
    raise AssertionError("the demo did not start")


def wait_for_messages(folder: Path, number: int) -> None:
    """Wait until so many SyncML messages have crossed."""
    deadline = time.monotonic() + _SECONDS
    while not folder.is_dir() or len(list(folder.iterdir())) < number:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("number", [1, 4, 9])
def test_killed_operator(home: Path, tmp_path: Path, number: int) -> None:
    """SIGKILL in the middle of the synchronization: the next run makes all equal (R-02).

    Nothing is lost and nothing is there twice: both digests are over every record.
    """
    demo = home / f"killed-{number}"
    process = start(demo, "--max-message", "1024")  # some thirty messages at least
    operator = operator_of(process)
    wait_for_messages(demo / "mobile" / "messages", number)
    os.kill(operator, signal.SIGKILL)
    killed = finish(process, demo, tmp_path / "killed")

    assert 1 == killed.status
    assert "the operator ended in the middle (signal 9)" in killed.output

    again = finish(start(demo), demo, tmp_path / "again")

    assert (0, True) == (again.status, "\nequal\n" in again.output), again.output


class _Stranger(BaseHTTPRequestHandler):
    """Refuses whatever it is sent."""

    def do_POST(self) -> None:
        """Read the message and refuse it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(405)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def stranger_on(port: int) -> Iterator[None]:
    """Serve HTTP on a port where somebody served before."""
    with ThreadingHTTPServer(("127.0.0.1", port), _Stranger) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_killed_operator_comes_back_elsewhere(home: Path, tmp_path: Path) -> None:
    """Its port is taken meanwhile, and whether the card has its policy it never heard (R-02, R-22).

    The card is told the new address and to synchronize once more: nobody waits for its next try.
    """
    demo = home / "elsewhere"
    process = start(demo, "--max-message", "1024")
    operator = operator_of(process)
    wait_for_messages(demo / "mobile" / "messages", 1)
    os.kill(operator, signal.SIGKILL)
    finish(process, demo, tmp_path / "killed")
    with stranger_on(json.loads((demo / "ports.json").read_text())["http"]):
        again = finish(start(demo), demo, tmp_path / "again")

    assert "using ports" in again.output
    assert (0, True) == (again.status, "\nequal\n" in again.output), again.output


def test_another_demo_in_the_same_home(home: Path) -> None:
    """Two demos never share a home: the second says who is in its way, with status 2.

    The first one goes on until it is interrupted, so that it is there, however slow the second is.
    """
    demo = home / "shared"
    process = start(demo, once=False)
    operator_of(process)
    second = start(demo)
    said, _ = second.communicate(timeout=_SECONDS)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=_SECONDS)

    assert (2, 130) == (second.returncode, process.returncode)
    assert "another demo is running here" in said
    assert "Traceback" not in said
