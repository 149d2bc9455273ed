"""`cardsync demo`: the whole journey on this machine, told step by step."""

import json
import secrets
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from queue import Empty
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from cardsync.fleet.journey import Said, Stage

_PATIENCE = 90.0  # seconds for a synchronization that is due, with a packet lost before
_GRACE = 10.0  # seconds for another try after one that failed


class TerminalKind(StrEnum):
    """The kinds of `cardsync.fleet.legacy`; that is not imported for --help."""

    AGENT = "agent"
    BROWSER = "browser"
    CHANNEL = "channel"
    LEGACY = "legacy"
    SILENT = "silent"
    CLAIMING = "claiming"


_MOST_TOLD = 3
_QUIET = "quiet"
_NOTHING = {"operator": "the operator", "mobile": "the mobile"}


def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="End when both databases are equal: 0, or 1 if not.")
    ] = False,
    home: Annotated[
        Path | None, typer.Option(help="Where the demo keeps its things.", envvar="CARDSYNC_HOME")
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Forget earlier runs first.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Send each APDU exchange to UDP port 4729 (GSMTAP).")
    ] = False,
    terminal: Annotated[
        TerminalKind, typer.Option(help="What the card is in; all but `agent` lack the command.")
    ] = TerminalKind.AGENT,
    max_message: Annotated[
        int, typer.Option(help="Largest SyncML message in octets.", min=1024, max=1_048_576)
    ] = 65536,
) -> None:
    """Load an application into a card over the air, let it decide, synchronize, compare.

    Everything is real but the radio: a software card, a terminal that reads this machine, an
    operator with its own PostgreSQL, SMPP, SyncML over HTTP. Nothing leaves this machine.
    """
    from cardsync.fleet.journey import Stage, default_home  # noqa: PLC0415  # fast --help

    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text stream
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with Stage(home or default_home()) as stage:
        try:
            if reset:
                stage.clear()
            status = _Demo(stage, max_message, terminal, live=live).run(once=once)
        except KeyboardInterrupt:
            print("\nstopping")
            status = 130
    sys.exit(status)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


class _Demo:
    def __init__(
        self, stage: "Stage", max_message: int, terminal: TerminalKind, *, live: bool
    ) -> None:
        self._terminal = terminal
        self._began = datetime.now(UTC)
        self._live = live
        self._stage = stage
        self._max_message = max_message
        self._started = time.monotonic()
        self._deadline = float("inf")
        self._address = self._page = ""

    def run(self, *, once: bool) -> int:
        """Start both sides and tell what they say; give the exit status."""
        from cardsync.fleet import journey  # noqa: PLC0415

        self._start(journey)
        self._deadline = time.monotonic() + _PATIENCE if once else float("inf")
        for said in self._heard():
            if said.kind == "ended":
                return self._ended(said)
            if said.kind == "step":
                self._step(said.fields)
            if said.kind == "synchronized" and not said.fields["round_trips"]:
                print(f"\nan earlier synchronization ended with {said.fields['result']}\n")
            elif said.kind == "synchronized":
                if self._compare(said.fields) and once:
                    return 0
                if once:
                    self._deadline = min(self._deadline, time.monotonic() + _GRACE)
            if said.kind == _QUIET and self._lacks and self._told() and once:
                return 0
        what = "the databases are not equal"
        if self._lacks:
            what = "the card has told nothing"
        words = f"{what}, and nothing more happens; see the logs in"
        print(f"cardsync: {words} {self._stage.home}", file=sys.stderr)
        return 1

    def _heard(self) -> "Iterator[Said]":
        """Yield what the processes say, until the deadline; say so where it is quiet."""
        from cardsync.fleet.journey import Said  # noqa: PLC0415

        while (left := self._deadline - time.monotonic()) > 0:
            try:
                yield self._stage.said.get(timeout=min(1.0, left))
            except Empty:
                yield Said("", _QUIET, {})

    def _start(self, journey: Any) -> None:
        stage, password = self._stage, secrets.token_urlsafe(6)[:8]
        ports, card = stage.ports(), stage.card()
        if ports != journey.USUAL_PORTS:
            print(f"using ports {ports['http']} (HTTP) and {ports['smpp']} (SMPP)")
        policy = Path(journey.__file__).with_name("demo.toml")
        arguments = journey.operator_arguments(stage, ports, policy)
        operator = stage.start(
            "operator", *arguments, listeners=("http", "reports"), secret=password
        )
        stage.tell("operator", card or "[]", close=True)
        self._await("operator", "ready")
        stage.keep_card()
        settings = journey.mobile_settings(stage, password, self._terminal)
        mobile = stage.start("mobile", "mobile", listeners=("smpp",))
        self._address = f"http://127.0.0.1:{ports['http']}"
        print(f"operator: process {operator}, {self._address}; mobile: process {mobile}")
        print(f"{'ms':>7}  step and who                  what")
        settings |= {"max_msg_size": self._max_message, "live": self._live}
        stage.tell("mobile", json.dumps(settings))
        self._await("mobile", "listening")
        stage.tell("mobile", "on")

    def _await(self, process: str, kind: str) -> None:
        """Wait until a process says something; tell the steps that come before."""
        self._deadline = time.monotonic() + _PATIENCE
        for said in self._heard():
            if said.kind == "step":
                self._step(said.fields)
            if said.kind == "ended":
                raise ConfigError(self._reason(said))
            if (said.process, said.kind) == (process, kind):
                return
        raise ConfigError(f"{_NOTHING[process]} did not start: {self._stage.last_words(process)}")

    def _step(self, step: dict[str, Any]) -> None:
        """Print a line of the transcript."""
        now = (time.monotonic() - self._started) * 1000
        size = f"{step['octets']} octets" if step["octets"] else ""
        took = f"{step['milliseconds']:.1f} ms" if step["milliseconds"] else ""
        more = ", ".join([part for part in (size, took) if part])
        print(
            f"{now:7.0f}  {step['step']}  {step['who']:<24}  {step['what']}"
            + (f"  ({more})" if more else "")
        )

    def _compare(self, done: dict[str, Any]) -> bool:
        """Compare the terminal's database with the operator's; say where to look."""
        theirs = self._operator()
        ours = (done["parameters"], done["applications"], done["digest"])
        equal = ours == theirs
        print(
            f"\nsynchronized in {done['milliseconds']:.0f} ms and {done['round_trips']} round "
            f"trips: {done['sent']} records sent, {done['received']} received; "
            f"{done['octets_sent']} octets up, {done['octets_received']} down; "
            f"result {done['result']}"
        )
        print(f"terminal: {ours[0]} parameters, {ours[1]} applications, {ours[2]}")
        print(f"operator: {theirs[0]} parameters, {theirs[1]} applications, {theirs[2]}")
        print("equal" if equal else "NOT equal")
        print(f"trace:    {self._stage.home / 'mobile' / 'trace.pcapng'} (Wireshark opens it)")
        print(f"page:     {self._page}\n", flush=True)
        return equal

    @property
    def _lacks(self) -> bool:
        """Whether the terminal lacks the command."""
        return self._terminal is not TerminalKind.AGENT

    def _told(self) -> bool:
        """Tell what the card has told the operator by itself since the demo began."""
        from cardsync.fleet import journey  # noqa: PLC0415

        try:
            told = self._get(f"/api/cards/{journey.ICCID}/reports")
            devices = self._get(f"/api/devices?q={journey.ICCID}")
        except (OSError, ValueError):
            return False
        new = [one for one in told["reports"] if self._is_new(one["received"])]
        seen = [one for one in told["visits"] if self._is_new(one["visited"])]
        for one in reversed(new[:_MOST_TOLD]):
            failed = ", ".join(one["failed"]) or "nothing"
            carrier = {"bip": "a channel of its own", "sms": "short message"}[one["carrier"]]
            print(f"\nthe card reported by {carrier}: {one['reason']}, IMEI {one['imei']}")
            print(f"failed before: {failed}; request {one['request']}; octets {one['octets']}")
        for one in reversed(seen[:_MOST_TOLD]):
            print(f"\nthe card opened the operator's page in a browser: {one['agent']}")
        if new or seen:
            where = f"/devices/{devices[0]['device_id']}" if devices else "/"
            print(f"page:     {self._address}{where}\n", flush=True)
            self._began = datetime.now(UTC)
        return bool(new or seen)

    def _is_new(self, when: str) -> bool:
        return datetime.fromisoformat(when) > self._began

    def _operator(self) -> tuple[int, int, str]:
        """Ask the operator what it has of the device."""
        from cardsync.fleet import journey  # noqa: PLC0415

        self._page = self._address
        try:
            devices = self._get(f"/api/devices?q={journey.IMEI}")
            if not devices:
                return (0, 0, "unknown device")
            number = devices[0]["device_id"]
            device = self._get(f"/api/devices/{number}")
        except (OSError, ValueError):
            return (0, 0, "no answer")
        self._page = f"{self._address}/devices/{number}"
        digests = [one["digest"] for one in device["databases"] if one["name"] == "devman"]
        return (device["parameters"], device["applications"], "".join(digests) or "no database")

    def _get(self, path: str) -> Any:
        request = f"{self._address}{path}"
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # our own http
            return json.load(answer)

    def _ended(self, said: "Said") -> int:
        print(f"\ncardsync: {self._reason(said)}", file=sys.stderr)
        return 1

    def _reason(self, said: "Said") -> str:
        status = said.fields["status"]
        how = f"signal {-status}" if status < 0 else f"status {status}"
        words = "" if status < 0 else f": {self._stage.last_words(said.process)}"
        # Status 2 is something to be put right first, and its words say what.
        more = "" if status == 2 else ". Nothing is lost: run the demo again and it goes on"
        return f"{_NOTHING[said.process]} ended in the middle ({how}){words}{more}"
