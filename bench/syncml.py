"""The SyncML codec with a message of a megabyte, beside libwbxml's programs in the same run.

Ours is the processor time within this process; theirs is that of a process from its start to its
end, which reads one file and writes another one: for them a message is decoded and encoded at once.
"""

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.measure import Measured
from cardsync.syncml import codec, wbxml_parser
from cardsync.syncml.codec import WBXML, XML
from cardsync.syncml.elements import Add, Item, Location, Message, Meta, Sync, SyncHdr

CARDS = 3000
CARD_OCTETS = 300
_RUNS = 40


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
    with tempfile.TemporaryDirectory() as folder:
        actions: dict[str, Callable[[], object]] = {}
        for kind, name in ((WBXML, "WBXML"), (XML, "XML")):
            size = f"{len(octets[kind]):,} octets of {name}"
            actions[f"{size}, decoded ({form})"] = partial(codec.decode, octets[kind], kind)
            actions[f"{size}, encoded ({form})"] = partial(codec.encode, whole, kind)
        for program, arguments, kind in (("wbxml2xml", (), WBXML), ("xml2wbxml", ("-n",), XML)):
            if shutil.which(program):
                file = Path(folder) / program
                file.write_bytes(octets[kind])
                command = [program, *arguments, "-o", str(Path(folder) / "other"), str(file)]
                actions[program] = partial(_run, command)
        least = _least(actions)
    for what, figure in least.items():
        yield Measured(what, figure, "ms")
    wbxml_in, wbxml_out, xml_in, xml_out = list(least.values())[:4]
    for program, ours in (("wbxml2xml", wbxml_in + xml_out), ("xml2wbxml", xml_in + wbxml_out)):
        yield Measured(f"what {program} does, ours in process", ours, "ms")
        if program in least:
            yield Measured("ours over theirs", ours / least[program], "times", "about 1")


def _run(command: list[str]) -> None:
    """Run a program of libwbxml2-utils from a file to a file."""
    subprocess.run(command, check=True, capture_output=True)


def _least(actions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Give the least processor time of some runs of each, in milliseconds.

    They take turns, so that other work on the machine is as much beside the one as the other.
    """
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(_RUNS):
        for name, action in actions.items():
            started = _worked()
            action()
            best[name] = min(best[name], _worked() - started)
    return {name: seconds * 1000 for name, seconds in best.items()}


def _worked() -> float:
    """Read the processor time of this process and of those that it has run, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


BENCHMARKS: dict[str, Callable[[], Iterator[Measured]]] = {"syncml": codecs}
