"""`cardsync syncml notify`: a server asks a phone that has no card of ours to begin."""

import asyncio
import base64
import binascii
import os
import secrets
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardsync.cli import accounts, inputs
from cardsync.cli.syncml_sync import Protocol
from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from cardsync.syncml.auth import Account
    from cardsync.syncml.notification import Asked, Notification
    from cardsync.transport.message_centre import MessageCentre
    from cardsync.transport.push import Pushed
    from cardsync.transport.user_data import UserData

_PATIENCE = 60.0
"""Seconds for a message centre to take everything."""


class Kind(Enum):
    """What a server may ask for."""

    TWO_WAY = "two-way"
    ONE_WAY_FROM_CLIENT = "one-way-from-client"
    REFRESH_FROM_CLIENT = "refresh-from-client"
    ONE_WAY_FROM_SERVER = "one-way-from-server"
    REFRESH_FROM_SERVER = "refresh-from-server"


class Interaction(Enum):
    """How the phone treats its user."""

    NOT_SPECIFIED = "not-specified"
    BACKGROUND = "background"
    INFORMATIVE = "informative"
    INTERACTIVE = "interactive"


_Names = Annotated[
    list[str], typer.Argument(metavar="DATABASE[=TYPE]...", help="Such as card=text/x-vcard.")
]
_Server = Annotated[
    str, typer.Option(help="Name of the server as the phone knows it, mostly its URL.")
]
_Type = Annotated[Kind, typer.Option("--type", help="What shall go which way.")]
_Protocol = Annotated[Protocol, typer.Option(help="Of 1.2 are a few octets, else a message.")]
_Session = Annotated[int | None, typer.Option(help="Session; a random one.", min=0, max=65535)]
_Interaction = Annotated[Interaction, typer.Option(help="How the user is treated.")]
_PasswordFile = Annotated[
    Path | None,
    typer.Option(accounts.SERVER.file, help=f"Its password, or in {accounts.SERVER.variable}."),
]
_Nonce = Annotated[str, typer.Option(help="Nonce that the phone gave last, base64.")]
_Device = Annotated[str | None, typer.Option(help="Name of the phone (1.0, 1.1), IMEI:...")]
_To = Annotated[str | None, typer.Option(help="Number of the phone, +49...")]
_Smsc = Annotated[
    str | None, typer.Option(help="HOST:PORT of the message centre; without it: print.")
]
_SystemId = Annotated[str, typer.Option(help="Who we are to the message centre.")]
_Number = Annotated[str, typer.Option(help="Our number.")]


def notify(
    databases: _Names,
    *,
    server: _Server,
    kind: _Type = Kind.TWO_WAY,
    protocol: _Protocol = Protocol.V1_2,
    session: _Session = None,
    interaction: _Interaction = Interaction.NOT_SPECIFIED,
    password_file: _PasswordFile = None,
    nonce: _Nonce = "",
    device: _Device = None,
    to: _To = None,
    smsc: _Smsc = None,
    system_id: _SystemId = "cardsync",
    number: _Number = "2210",
) -> None:
    """Ask a phone by short message to synchronize with a server: server-alerted notification.

    Without --smsc the user data of each short message is printed, header included, one a line.
    """
    from cardsync.cli.addresses import message_centre  # noqa: PLC0415  # fast --help
    from cardsync.syncml import auth  # noqa: PLC0415
    from cardsync.syncml.notification import Notification, UserInteraction  # noqa: PLC0415
    from cardsync.transport import push  # noqa: PLC0415

    if (smsc is None) is not (to is None):
        raise ConfigError("--smsc and --to are needed together")
    centre = None if smsc is None else message_centre(smsc, system_id, number)
    asked, types = _asked(databases, kind)
    session = secrets.randbelow(1 << 16) if session is None else session
    told = Notification(server, session, asked, UserInteraction[interaction.name])
    password = _password(password_file, protocol)
    shown = auth.Account(auth.Scheme.MD5, server, password, _decoded(nonce))
    parts = push.write(_pushed(told, types, protocol, device, shown), session % 0x100)
    if centre is not None and to is not None:
        _send(centre, to, parts)
    else:
        print("\n".join(part.encode().hex().upper() for part in parts))


def _asked(databases: list[str], kind: Kind) -> tuple["tuple[Asked, ...]", tuple[str, ...]]:
    """Read DATABASE or DATABASE=TYPE; the types as media types, too."""
    from cardsync.syncml.elements import AlertCode  # noqa: PLC0415  # fast --help
    from cardsync.syncml.notification import CONTENT_TYPES, Asked  # noqa: PLC0415

    code = AlertCode[f"{kind.name}_BY_SERVER"]
    pairs = [each.partition("=") for each in databases]
    for name, _, media in pairs:
        if not name or (media and media not in CONTENT_TYPES):
            raise ConfigError(
                f"{name}={media}: DATABASE or DATABASE=TYPE is expected, "
                f"TYPE of {', '.join(CONTENT_TYPES)}"
            )
    asked = tuple([Asked(code, name, CONTENT_TYPES.get(media, 0)) for name, _, media in pairs])
    return asked, tuple([media for _, _, media in pairs])


def _password(path: Path | None, protocol: Protocol) -> bytes:
    """Give the server's password, over which the digest of 1.2 is made; others may lack it."""
    if path is not None:
        return inputs.text(path).rstrip("\r\n").encode()
    if protocol is Protocol.V1_2 and accounts.SERVER.variable not in os.environ:
        raise ConfigError(
            f"the password of the server is expected in the file of {accounts.SERVER.file}, "
            f"or in {accounts.SERVER.variable}"
        )
    return os.environ.get(accounts.SERVER.variable, "").encode()


def _decoded(nonce: str) -> bytes:
    try:
        return base64.b64decode(nonce, validate=True)
    except binascii.Error:
        raise ConfigError(f"--nonce {nonce}: base64 is expected") from None


def _pushed(
    told: "Notification",
    types: tuple[str, ...],
    protocol: Protocol,
    device: str | None,
    shown: "Account",
) -> "Pushed":
    """Write the notification in the form of the protocol."""
    from cardsync.fleet import notifying  # noqa: PLC0415  # fast --help
    from cardsync.syncml.elements import Version  # noqa: PLC0415

    if protocol is Protocol.V1_2:
        return notifying.pushed(told, shown.password, shown.nonce)
    if device is None:
        raise ConfigError(f"--protocol {protocol.value} needs --device, the name of the phone")
    account = shown if shown.password else None
    return notifying.pushed_1_1(told, types, device, account, Version[protocol.name])


def _send(centre: "MessageCentre", to: str, parts: "Sequence[UserData]") -> None:
    """Send, and say what the message centre calls what it took."""
    from cardsync.fleet import notifying  # noqa: PLC0415  # fast --help

    at = f"{centre.host}:{centre.port}"
    try:
        names = asyncio.run(asyncio.wait_for(notifying.send(centre, to, parts), _PATIENCE))
    except TimeoutError as exc:
        raise ConfigError(
            f"message centre {at}: it has not taken the notification in {_PATIENCE:.0f} s; "
            "does it run, and is the address right?"
        ) from exc
    print(f"{to}: {len(names)} short message{'s' * (len(names) > 1)}, {' '.join(names)}")
