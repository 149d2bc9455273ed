"""The image of the card on a disk: durable before the answer, whole at any kill."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cardsync.card import slot
from cardsync.card.memory import Memory
from cardsync.card.slot import CardSlot, read_image, write_image
from cardsync.errors import ConfigError
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from mobiles import POLICY, Sender, bare_card, card_with, envelope_of, trigger

_WRITER = """\
import sys
from pathlib import Path
from cardsync.card.memory import Memory
from cardsync.card.slot import write_image

path, number = Path(sys.argv[1]), 0
while True:
    number += 1
    memory = Memory()
    for cell in range(40):
        memory.write(f"cell {cell}", number.to_bytes(4, "big") * 500)
    write_image(path, memory)
    print(number, flush=True)
"""


_HOLDER = """\
import sys
from pathlib import Path
from cardsync.card.slot import CardSlot

card = CardSlot(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""

_POINTS = 18  # before and after each call, and in the middle of the write
_KILLED = """\
import os, signal, sys
from pathlib import Path
from cardsync.card import slot

path, point, apdu = Path(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
card, calls = slot.CardSlot(path), iter(range(100))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def killing(function):
    def call(*arguments, **named):
        if next(calls) == point:
            die()
        done = function(*arguments, **named)
        if next(calls) == point:
            die()
        return done
    return call

def torn(octets):
    # Before the write, after each quarter of it, and behind it.
    quarter = len(octets) // 4 + 1
    for start in range(0, len(octets), quarter):
        piece = octets[start : start + quarter]
        if next(calls) == point:
            die()
        yield piece

class File:
    def __init__(self, file):
        self.file = file
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.file.close()
    def write(self, octets):
        for piece in torn(octets):
            self.file.write(piece)
            self.file.flush()
    def flush(self):
        killing(self.file.flush)()
    def fileno(self):
        return self.file.fileno()

opened = os.fdopen
os.fdopen = lambda *arguments: File(opened(*arguments))
os.open, os.fsync = killing(os.open), killing(os.fsync)
Path.rename, Path.unlink = killing(Path.rename), killing(Path.unlink)
sys.stdout.write(card.transact(apdu).hex())
sys.stdout.flush()
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Write the image of a card with a policy."""
    path = tmp_path / "card.image"
    write_image(path, card_with(POLICY).memory)
    return path


def test_written_before_the_answer(image: Path) -> None:
    """When the answer is there, what it says is on the disk. O-3."""
    there, sender = CardSlot(image), Sender(start=10)
    there.reset()
    for message in trigger(sender):
        response = there.transact(envelope_of(message))

    assert 0x9000 == ResponseApdu.decode(response).sw
    assert b"\0\0\0\0\x0b" == read_image(image).read("counter:1")


def test_nothing_written_without_a_change(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading wears nothing out."""
    there = CardSlot(image)

    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(slot, "write_image", fail)

    assert b"\x90\0" == there.transact(CommandApdu(0x80, Ins.STATUS, 0, 0x0C).encode())
    assert b"\x90\0" == there.transact(bytes.fromhex("00A4000C022FE2"))


def test_only_its_owner_reads_it(image: Path) -> None:
    """The image has keys in it; a file of that name with other rights is not written into."""
    beside = image.with_name(image.name + ".new")
    beside.touch(mode=0o666)
    write_image(image, card_with(POLICY).memory)

    assert 0o600 == image.stat().st_mode & 0o777
    assert not beside.exists()


@pytest.mark.parametrize("step", ["open", "fsync", "rename"])
def test_write_that_fails(image: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A disk that is full or gone leaves the old image, and says so by name."""
    before = image.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if step == "rename" else os, step, fail)
    with pytest.raises(ConfigError, match=r"card\.image.*cannot be written"):
        write_image(image, Memory())
    monkeypatch.undo()

    assert before == image.read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"something else"])
def test_no_image(tmp_path: Path, content: bytes | None) -> None:
    """What is no image is refused with what to do."""
    path = tmp_path / "card.image"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="personalise a card first"):
        CardSlot(path)


def test_killed_between_any_two_writes(tmp_path: Path) -> None:
    """Killed at any moment, the file holds the old image or the new one, never a mixture. O-3."""
    path, chance = tmp_path / "card.image", random.Random(9)
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            told = [line for line in process.stdout.read().splitlines() if line]
        memory = read_image(path)
        contents = {memory.read(name) for name in memory.names("")}
        number = int.from_bytes(contents.pop()[:4], "big")

        assert set() == contents
        assert number >= int(told[-1] if told else 1)


@pytest.mark.parametrize("step", range(5))
def test_killed_at_each_step(image: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """At each call that touches the disk: the old image before the renaming, the new one after."""
    old, new, calls = image.read_bytes(), Memory(), iter(range(100))
    new.write("a", b"1")

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            if next(calls) == step:
                raise KeyboardInterrupt  # as sudden as a kill: nothing cleans up behind it
            return function(*arguments, **named)

        return call

    for owner, name in ((os, "open"), (os, "fsync"), (Path, "rename")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    with pytest.raises(KeyboardInterrupt):
        write_image(image, new)
    monkeypatch.undo()

    assert (old if step < 3 else new.encode()) == image.read_bytes()


@pytest.mark.parametrize("point", range(_POINTS + 1))
def test_killed_by_the_system_at_each_point(tmp_path: Path, point: int) -> None:
    """Killed with -9 at every point of a write, torn writes too: old content or new. O-3.

    Once the answer is out it is the new one, and the next write goes on as if nothing had been.
    """
    path, update = tmp_path / "card.image", "00D6850004" + b"defr".hex()
    write_image(path, bare_card().memory)
    new = bare_card()
    new.transact(bytes.fromhex(update))
    old, wanted = path.read_bytes(), new.memory.encode()
    ran = subprocess.run(
        [sys.executable, "-c", _KILLED, str(path), str(point), update],
        check=False,
        capture_output=True,
        text=True,
    )
    after = path.read_bytes()

    killed = (-signal.SIGKILL, "")

    assert (killed if point < _POINTS else (0, "9000")) == (ran.returncode, ran.stdout), ran.stderr
    assert after in ({old, wanted} if point < _POINTS else {wanted})
    assert b"\x90\0" == CardSlot(path).transact(bytes.fromhex(update))
    assert wanted == path.read_bytes()


def test_survives_a_kill_of_the_process(image: Path) -> None:
    """Two slots one after the other are one card: session, counter and journal go on."""
    sender = Sender(start=10)
    first = CardSlot(image)
    first.reset()
    for message in trigger(sender):
        first.transact(envelope_of(message))
    second = CardSlot(image)

    assert first.card.memory.encode() == second.card.memory.encode()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Two readers with one card would turn back each other's counters: the second is refused."""
    path = tmp_path / "card.image"
    write_image(path, bare_card().memory)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert "held\n" == holder.stdout.readline()
    with pytest.raises(ConfigError, match="in another reader or mobile"):
        CardSlot(path)
    holder.communicate("")

    assert CardSlot(path).reset()
