"""The journey, with its real processes: an operator with PostgreSQL, a mobile, HTTP between them.

The terminal's inventory is made (1,000 packages), so that figures of two machines compare.
"""

import json
import re
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.measure import Measured
from cardsync.fleet import journey
from cardsync.fleet.journey import Stage

APPLICATIONS = 1000
FEW = 40
_POLICY = Path(journey.__file__).with_name("demo.toml")
_APPLICATIONS_ALONE = '["applications", "versions", "sizes"]'
_ROUNDS = 20
_PASSWORD = "loopback"  # noqa: S105  # of a message centre that lives for seconds on loopback


def make_machine(root: Path, applications: int) -> None:
    """Make the files of a Debian machine with so many packages installed."""
    folder = root / "var" / "lib" / "dpkg"
    folder.mkdir(parents=True)
    status = "".join(
        f"Package: package-{n:04}\nStatus: install ok installed\nPriority: optional\n"
        f"Section: misc\nInstalled-Size: {100 + n}\nArchitecture: amd64\n"
        f"Version: 1.{n}-2+deb12u1\nDescription: made for a benchmark\n\n"
        for n in range(applications)
    )
    (folder / "status").write_text(status)
    (root / "etc").mkdir()
    (root / "etc" / "os-release").write_text('NAME="Made"\nVERSION_ID="12"\n')


def journey_times() -> Iterator[Measured]:
    """Measure from the decision in the card to the event back in the card."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another account
        root = Path(folder) / "machine"
        make_machine(root, APPLICATIONS)
        with Stage(Path(folder) / "home") as stage:
            _start(stage, root)
            first = _next(stage)
            sent = f"refresh-from-client, {first['sent']} records, decision to event"
            yield Measured(sent, first["milliseconds"], "ms", "under 1,000 ms")
            times = []
            for _ in range(_ROUNDS):
                stage.tell("mobile", "choose 1")
                done = _next(stage)
                if done["sent"] or done["received"] or done["result"] != "00":
                    raise RuntimeError(f"not a synchronization without change: {done}")
                times.append(done["milliseconds"])
            what = f"two-way without change, {done['round_trips']} round trips, median"
            yield Measured(what, statistics.median(times), "ms", "under 100 ms")
            yield Measured("the same, the slowest of 20", max(times), "ms")
            yield Measured("the same, WBXML both ways", _octets(done), "octets", "at most 1,024")


def on_the_air() -> Iterator[Measured]:
    """Count the octets of a first refresh of few applications, and of an exchange of nothing."""
    policy = _POLICY.read_text()
    alone = re.sub(r"categories = \[[^]]*\]", f"categories = {_APPLICATIONS_ALONE}", policy)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another account
        root = Path(folder) / "machine"
        make_machine(root, FEW)
        for name, text in (("applications", alone), ("all", policy)):
            file = Path(folder) / f"{name}.toml"
            file.write_text(text)
            with Stage(Path(folder) / name) as stage:
                _start(stage, root, file)
                first = _next(stage)
                wanted = "at most 4,096" if first["sent"] == FEW else ""
                what = f"first refresh, {first['sent']} records, {FEW} of them applications"
                yield Measured(what, _octets(first), "octets", wanted)
                stage.tell("mobile", "choose 1")
                done = _next(stage)
                what = f"nothing to do, {done['round_trips']} round trips"
                yield Measured(what, _octets(done), "octets", "at most 1,024")


def _octets(done: dict[str, Any]) -> int:
    return int(done["octets_sent"]) + int(done["octets_received"])


def _start(stage: Stage, root: Path, policy: Path = _POLICY) -> None:
    ports = stage.ports()
    card = stage.card()
    arguments = journey.operator_arguments(stage, ports, policy)
    stage.start("operator", *arguments, listeners=("http", "reports"), secret=_PASSWORD)
    stage.tell("operator", card or "[]", close=True)
    _wait(stage, "operator", "ready")
    stage.keep_card()
    settings = journey.mobile_settings(stage, _PASSWORD) | {"root": str(root)}
    stage.start("mobile", "mobile", listeners=("smpp",))
    stage.tell("mobile", json.dumps(settings))
    _wait(stage, "mobile", "listening")
    stage.tell("mobile", "on")


def _next(stage: Stage) -> dict[str, Any]:
    return _wait(stage, "mobile", "synchronized")


def _wait(stage: Stage, process: str, kind: str) -> dict[str, Any]:
    while True:
        said = stage.said.get(timeout=60)
        if said.kind == "ended":
            raise RuntimeError(f"{said.process} ended: {stage.last_words(said.process)}")
        if (said.process, said.kind) == (process, kind):
            return said.fields


BENCHMARKS: dict[str, Callable[[], Iterator[Measured]]] = {
    "journey": journey_times,
    "air": on_the_air,
}
