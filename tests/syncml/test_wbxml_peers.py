"""An independent program reads what we write and writes what we read: libwbxml."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cardsync.syncml import wbxml, xml
from cardsync.syncml.elements import (
    Add,
    Command,
    Get,
    Item,
    Message,
    Meta,
    Put,
    Results,
    Sync,
    Version,
)
from peers import need
from syncml_messages import everything, header

EVERYTHING = pytest.mark.parametrize("version", Version)


def _to_xml(octets: bytes, folder: Path) -> bytes:
    """Let wbxml2xml read a message."""
    source, target = folder / "message.wbxml", folder / "message.xml"
    source.write_bytes(octets)
    command = [need("wbxml2xml"), "-m", "0", "-o", str(target), str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target.read_bytes()


def _to_wbxml(octets: bytes, folder: Path, *options: str) -> bytes:
    """Let xml2wbxml write a message."""
    source, target = folder / "source.xml", folder / "target.wbxml"
    source.write_bytes(octets)
    command = [need("xml2wbxml"), *options, "-o", str(target), str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target.read_bytes()


def _in_xml(message: Message) -> Message:
    """Give what libwbxml makes of a message: it names device information by the other type."""
    other = Meta(type="application/vnd.syncml-devinf+xml")
    commands = [
        replace(each, meta=other) if isinstance(each, Put | Get | Results) else each
        for each in message.commands
    ]
    return replace(message, commands=tuple(commands))


def _in_characters(message: Message) -> Message:
    """Take out what libwbxml can read but XML has no characters for: a digest in octets."""
    commands: list[Command] = []
    for each in message.commands:
        if isinstance(each, Sync):
            held = [inner for inner in each.commands if not getattr(inner, "cred", None)]
            commands.append(replace(each, commands=tuple(held)))
        else:
            commands.append(each)
    return replace(message, commands=tuple(commands))


@EVERYTHING
def test_every_message_is_read(version: Version, tmp_path: Path) -> None:
    """Every command and element, both code pages, nested device information: the same tree."""
    message = _in_characters(everything(version))
    octets = _to_xml(wbxml.encode(message), tmp_path)

    assert _in_xml(message) == xml.decode(octets)


@EVERYTHING
def test_raw_octets_are_read(version: Version, tmp_path: Path) -> None:
    """Octets that are no characters do not disturb what follows."""
    octets = _to_xml(wbxml.encode(everything(version)), tmp_path)

    assert octets.endswith(b"</Search><Final/></SyncBody></SyncML>")


@EVERYTHING
@pytest.mark.parametrize("options", [(), ("-n",)])
def test_every_message_is_understood(
    version: Version, options: tuple[str, ...], tmp_path: Path
) -> None:
    """There and back, with a string table (which we never write) and without."""
    message = _in_characters(everything(version))
    octets = _to_wbxml(_to_xml(wbxml.encode(message), tmp_path), tmp_path, *options)

    assert message == wbxml.decode(octets)


@EVERYTHING
def test_our_xml_is_read(version: Version, tmp_path: Path) -> None:
    """Without a DOCTYPE the name space says what it is."""
    message = _in_characters(everything(version))
    octets = _to_wbxml(xml.encode(message), tmp_path)

    assert message == wbxml.decode(octets)


@pytest.mark.parametrize(
    "data", [b"", bytes(range(256)), b"]]>", b"\xc3", b"BEGIN:VCARD\r\nEND:VCARD\r\n", b"x" * 20000]
)
def test_any_data_is_read(data: bytes, tmp_path: Path) -> None:
    """The data of an item may be any octets, of any length."""
    add = Add(1, (Item(data=data),), Meta(type="text/x-vcard"))
    octets = _to_xml(wbxml.encode(Message(header(Version.V1_2), (add,))), tmp_path)

    assert data in octets
