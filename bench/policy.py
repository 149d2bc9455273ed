"""The policy machine, and the dry run of two policies over a fleet's events, one core."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Measured, rate
from cardsync.cli.made_events import made_events
from cardsync.policy.compiler import compile_policy
from cardsync.policy.dryrun import DryRun
from cardsync.policy.facts import Event, Facts
from cardsync.policy.machine import Machine
from cardsync.policy.recording import LineReader
from cardsync.policy.source import read
from cardsync.policy.values import EventKind

_EXAMPLE = Path(__file__).parent.parent / "examples" / "policies" / "fleet-inventory.toml"
_CARDS, _DAYS = 1000, 6
_WANTED = 50_000  # 1,000,000 events in 20 s


def policy() -> Iterator[Measured]:
    """Handle events; compare two policies over the events of many cards."""
    text = _EXAMPLE.read_text()
    machine = Machine(compile_policy(read(text, _EXAMPLE.name)))
    phone = {"imei": b"490154203237518", "profile": bytes(8)}
    facts: Facts = phone | {f"last.{name}": value for name, value in phone.items()}
    event = Event(EventKind.PROFILE_DOWNLOAD)
    yield rate("event handled by the policy machine", lambda: machine.handle(event, facts))
    newer = compile_policy(read(text.replace('"24 h"', '"12 h"'), _EXAMPLE.name))
    lines = "".join(made_events(_CARDS, _DAYS, 1)).splitlines()
    run, reader = DryRun(machine.program, newer, assume_success=True), LineReader()
    started = time.perf_counter()
    for line in lines:
        run.hear(reader.read(json.loads(line)))
    run.finish()
    figure = len(lines) / (time.perf_counter() - started)
    yield Measured("event of a dry run of two policies", figure, "/s", f"{_WANTED:,}")


BENCHMARKS = {"policy": policy}
