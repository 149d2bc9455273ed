"""A SyncML server's notification on its way to a phone: as short messages, by a message centre."""

from collections.abc import Sequence

from cardsync.syncml import codec
from cardsync.syncml.auth import Account, credential
from cardsync.syncml.elements import Location, SyncHdr, Version
from cardsync.syncml.notification import MEDIA_TYPE, Notification, encode_1_1
from cardsync.transport.message_centre import MessageCentre
from cardsync.transport.push import Application, Pushed
from cardsync.transport.smpp_bodies import ESM_UDHI, Address, SubmitSm
from cardsync.transport.smpp_client import SmppClient
from cardsync.transport.smpp_codes import Npi, Ton
from cardsync.transport.user_data import UserData

_OCTETS = 0x04
"""TP-DCS: eight bits, of no class. TS 23.038 clause 4."""


def pushed(notification: Notification, password: bytes, nonce: bytes) -> Pushed:
    """Write a notification of 1.2."""
    return Pushed(MEDIA_TYPE, notification.encode(password, nonce), Application.SYNCML)


def pushed_1_1(
    notification: Notification,
    types: tuple[str, ...],
    device: str,
    account: Account | None,
    version: Version,
) -> Pushed:
    """Write the notification of 1.1 or 1.0 to a `device`, with the server's credentials if any."""
    header = SyncHdr(
        session_id=str(notification.session_id),
        msg_id=1,
        target=Location(device),
        source=Location(notification.server, account.user if account else None),
        version=version,
        cred=credential(account, version) if account else None,
    )
    octets = encode_1_1(header, notification.asked, types, codec.WBXML)
    return Pushed(codec.WBXML, octets, Application.SYNCML)


async def send(centre: MessageCentre, number: str, parts: Sequence[UserData]) -> list[str]:
    """Send short messages to a phone, in order; give the centre's names for them.

    Raises `BindRefused`, `SubmitRefused` and `SubmitUnknown`; waits for a centre that is not
    there.
    """
    client = SmppClient(centre.host, centre.port, centre.system_id, centre.password)
    source = Address(centre.number, Ton.UNKNOWN, Npi.ISDN)
    to = Address(number.removeprefix("+"), Ton.INTERNATIONAL, Npi.ISDN)
    async with client:
        return [
            await client.submit(
                SubmitSm(source, to, part.encode(), esm_class=ESM_UDHI, data_coding=_OCTETS)
            )
            for part in parts
        ]
