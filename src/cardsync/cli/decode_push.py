"""Pushed content for `cardsync decode`: notifications of SyncML servers, bare or in a push."""

from cardsync.errors import CardsyncError, PeerError
from cardsync.syncml import codec
from cardsync.syncml.notification import MEDIA_TYPE, Notification
from cardsync.transport import push
from cardsync.transport.push import Pushed
from cardsync.transport.user_data import UserData
from cardsync.transport.wsp import Push, read_unit

Inside = tuple[tuple[str, object], ...]


def notification(octets: bytes) -> tuple[Notification, bytes]:
    """Read a notification from its digest on, or the push that carries it; raise `PeerError`.

    Gives it and the octets of the push before it.
    """
    try:
        return Notification.decode(octets), b""
    except PeerError as bare:
        try:
            _, pdu = read_unit(octets)
        except PeerError:
            raise bare from None
        if not isinstance(pdu, Push) or pdu.content_type != MEDIA_TYPE:
            raise
        return Notification.decode(pdu.body), octets.removesuffix(pdu.body)


def inside(user_data: UserData) -> Inside:
    """Give what a whole short message pushes to an application, and what that says."""
    if user_data.concatenation:
        return ()
    try:
        found = push.read(user_data)
    except CardsyncError as exc:
        return (("push", f"cannot be read: {exc}"),)
    return () if found is None else (("push", found), *_content(found))


def _content(pushed: Pushed) -> Inside:
    try:
        if pushed.content_type == MEDIA_TYPE:
            return (("notification", Notification.decode(pushed.body)),)
        if codec.media_type(pushed.content_type) in {codec.XML, codec.WBXML}:
            return (("syncml", codec.decode(pushed.body, pushed.content_type)),)
    except CardsyncError as exc:
        return (("content", f"cannot be read: {exc}"),)
    return ()
