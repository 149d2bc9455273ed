"""A card's memory in words, for a person. No key and no code is in them."""

from collections.abc import Iterator

from cardsync.card import tree
from cardsync.card.files import ADF_USIM, MF, cell
from cardsync.card.key_store import DomainKeys
from cardsync.card.memory import Memory
from cardsync.card.pin import ADM1, PIN1, PIN2, Pin, read_pin
from cardsync.card.policy_store import PolicyStore
from cardsync.card.registry import Registry
from cardsync.card.secured import read_key_sets
from cardsync.card.tree import TREE, File
from cardsync.octets.semi import unswapped

_NAMES = {PIN1: "PIN1", PIN2: "PIN2", ADM1: "ADM1"}
_SHOWN = 40  # octets of a content


def card(memory: Memory) -> Iterator[str]:
    """Tell who the card is, its PINs, keys and applications."""
    imsi = unswapped(memory.read(cell(f"{MF}/{ADF_USIM}/6F07"))[1:])[1:]
    yield f"ICCID {unswapped(memory.read(cell(f'{MF}/2FE2')))}"
    yield f"IMSI  {imsi}"
    for reference, name in _NAMES.items():
        yield f"{name}  {_pin(read_pin(memory, reference))}"
    for number, key_set in sorted(read_key_sets(memory).items()):
        yield f"key set {number}: {key_set.kic.algorithm.name}, counter {_counter(memory, number)}"
    keys = DomainKeys(memory)
    for version, one in sorted(keys.keys().items()):
        yield f"channel {version:02X}: {one.kind.name}, {keys.sequence(version)} sessions"
    yield from _applications(memory)


def _pin(pin: Pin | None) -> str:
    if pin is None:
        return "none"
    unblock = f", unblocking {pin.unblock.left} of {pin.unblock.limit}" if pin.unblock else ""
    return f"{'on' if pin.enabled else 'off'}, {pin.code.left} of {pin.code.limit} left{unblock}"


def _counter(memory: Memory, number: int) -> int:
    return int.from_bytes(memory.read(f"counter:{number}"), "big")


def _applications(memory: Memory) -> Iterator[str]:
    registry = Registry(memory)
    for one in registry.instances():
        tars = ", ".join([tar.hex().upper() for tar in one.tars])
        state = ", locked" if registry.is_still(one.aid) else ""
        yield f"application {one.aid.hex().upper()}: TAR {tars}{state}"
    digest = PolicyStore(memory).digest()
    if digest:
        yield f"policy {digest.hex()}"


def files(memory: Memory) -> Iterator[str]:
    """Tell each file: path, name, structure and content, as much of it as fits a line."""
    found = tree.decode(memory.read(TREE))
    for file in sorted(found.files.values(), key=lambda file: file.path):
        yield f"{file.path:<20} {file.name:<16} {_content(memory, file)}".rstrip()


def _content(memory: Memory, file: File) -> str:
    if file.directory:
        return file.aid.hex().upper()
    shape = f"{file.records} x {file.record}" if file.record else f"{file.size}"
    octets = memory.read(file.cell).ljust(file.size, b"\xff").rstrip(b"\xff")
    text = octets[:_SHOWN].hex().upper() + (" ..." if len(octets) > _SHOWN else "")
    return f"{shape:>8}  {text}"
