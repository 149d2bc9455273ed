"""Device information as both roles put, get and give it.

OMA DS Protocol 1.2, "Device information exchange"; its address is that of the version, such as
"./devinf12".
"""

from dataclasses import replace

from cardsync.syncml.codec import media_type
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import (
    Get,
    Item,
    Location,
    Meta,
    Put,
    Results,
    SyncHdr,
    Version,
)
from cardsync.syncml.letter import Letter
from cardsync.syncml.status import StatusCode


def ask(version: Version, content_type: str) -> Get:
    """Ask for the peer's device information."""
    return Get(0, (Item(target=Location(_uri(version))),), _meta(content_type))


def tell(devinf: DevInf, version: Version, content_type: str) -> Put:
    """Give ours unasked."""
    return Put(0, (Item(source=Location(_uri(version)), data=devinf),), _meta(content_type))


def answer(get: Get, devinf: DevInf | None, header: SyncHdr, content_type: str) -> Results | None:
    """Answer what the peer asked for in the message of a header; None if there is no such thing.

    The number of the command is yet to be set.
    """
    asked = [item.target.uri.strip().lower() for item in get.items if item.target]
    version = next((each for each in Version if asked == [_uri(each)]), None)
    if devinf is None or version is None:
        return None
    if version is not header.version:  # some clients put and get in the manner of another one
        devinf = replace(devinf, version=version.dtd)
    return Results(
        cmd_id=0,
        msg_ref=header.msg_id,
        cmd_ref=get.cmd_id,
        meta=_meta(content_type),
        items=(Item(source=Location(_uri(version)), data=devinf),),
    )


def exchange(
    command: Put | Results | Get, devinf: DevInf | None, header: SyncHdr, content_type: str
) -> tuple[StatusCode, DevInf | None, Results | None]:
    """Serve a command: its status, the peer's device information, ours; there is nothing else."""
    if not isinstance(command, Get):
        return StatusCode.OK, _told(command), None
    results = answer(command, devinf, header, content_type)
    return (StatusCode.OK if results else StatusCode.NOT_FOUND), None, results


def _told(command: Put | Results) -> DevInf | None:
    return next((item.data for item in command.items if isinstance(item.data, DevInf)), None)


def _uri(version: Version) -> str:
    return "./devinf" + version.dtd.replace(".", "")


def _meta(content_type: str) -> Meta:
    """Give the type of device information in this representation."""
    return Meta(type=media_type(content_type).replace("syncml", "syncml-devinf"))


def put(letter: Letter, devinf: DevInf, version: Version, content_type: str) -> None:
    """Put device information into a message; without the properties where it has no room."""
    if not letter.add(tell(devinf, version, content_type)):
        letter.add(tell(devinf.shorter(), version, content_type))
