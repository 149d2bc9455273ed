"""The SyncML codec with a message of a megabyte, beside libwbxml's programs in the same run.

Ours is the time within this process; theirs is that of a process from its start to its end,
which reads one file and writes another one: for them a message is decoded and encoded at once.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Measured
from cardsync.syncml import codec, wbxml_parser
from cardsync.syncml.codec import WBXML, XML
from cardsync.syncml.elements import Add, Item, Location, Message, Meta, Sync, SyncHdr

CARDS = 3000
CARD_OCTETS = 300
_RUNS = 20


def card(number: int) -> bytes:
    """Make a vCard 2.1 of 300 octets."""
    head = (
        f"BEGIN:VCARD\r\nVERSION:2.1\r\nN:Family{number};Given{number};;;\r\n"
        f"FN:Given{number} Family{number}\r\nTEL;CELL:+4915112{number:06}\r\n"
        f"EMAIL;INTERNET:given{number}@example.com\r\n"
        f"ADR;HOME:;;Street {number};Town;;{number:05};Country\r\nNOTE:"
    )
    tail = "\r\nEND:VCARD\r\n"
    return (head + "x" * (CARD_OCTETS - len(head) - len(tail)) + tail).encode()


def message() -> Message:
    """Make a message that adds so many cards."""
    kind = Meta(type="text/x-vcard")
    adds = tuple(
        Add(n + 3, (Item(source=Location(str(n)), data=card(n)),), kind) for n in range(CARDS)
    )
    header = SyncHdr("1", 2, Location("http://dm.mno.example/s"), Location("IMEI:490154203237518"))
    return Message(header, (Sync(2, Location("card"), Location("card"), commands=adds),), True)


def codecs() -> Iterator[Measured]:
    """Decode and encode; WBXML to XML and back, against the programs."""
    form = "compiled" if str(wbxml_parser.__file__).endswith(".so") else "from source"
    whole = message()
    octets = {kind: codec.encode(whole, kind) for kind in (WBXML, XML)}
    times = {}
    for kind, name in ((WBXML, "WBXML"), (XML, "XML")):
        size = f"{len(octets[kind]):,} octets of {name}"
        decoded = _least(lambda kind=kind: codec.decode(octets[kind], kind))  # type: ignore[misc]  # a bound default
        encoded = _least(lambda kind=kind: codec.encode(whole, kind))  # type: ignore[misc]  # the same
        times[kind] = decoded, encoded
        yield Measured(f"{size}, decoded ({form})", decoded, "ms")
        yield Measured(f"{size}, encoded ({form})", encoded, "ms")
    there, back = times[WBXML][0] + times[XML][1], times[XML][0] + times[WBXML][1]
    yield Measured("WBXML to XML, ours, in process", there, "ms")
    yield from _against("wbxml2xml", (), octets[WBXML], there)
    yield Measured("XML to WBXML, ours, in process", back, "ms")
    yield from _against("xml2wbxml", ("-n",), octets[XML], back)


def _against(
    program: str, arguments: tuple[str, ...], octets: bytes, ours: float
) -> Iterator[Measured]:
    """Run a program of libwbxml2-utils on a file; give its time, and ours over its."""
    if shutil.which(program) is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "message"
        file.write_bytes(octets)
        command = [program, *arguments, "-o", str(Path(folder) / "other"), str(file)]
        theirs = _least(lambda: subprocess.run(command, check=True, capture_output=True))
    yield Measured(f"the same by {program}, process from start to end", theirs, "ms")
    yield Measured("ours over theirs", ours / theirs, "times", "about 1")


def _least(action: Callable[[], object]) -> float:
    """Give the shortest of some runs, in milliseconds."""
    best = float("inf")
    for _ in range(_RUNS):
        started = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - started)
    return best * 1000


BENCHMARKS: dict[str, Callable[[], Iterator[Measured]]] = {"syncml": codecs}
