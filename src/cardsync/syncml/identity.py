"""What a server shows of itself, how the client takes it, and who may open which database.

OMA DS Protocol 1.2, "Authentication": of the session by its header, of a database by its Alert.
"""

from contextlib import suppress
from dataclasses import replace

from cardsync.errors import PeerError
from cardsync.syncml import auth
from cardsync.syncml.elements import (
    Alert,
    Item,
    Location,
    Meta,
    Status,
    SyncHdr,
)
from cardsync.syncml.names import plain
from cardsync.syncml.server_config import Guard, ServerConfig
from cardsync.syncml.state import ServerState
from cardsync.syncml.status import StatusCode

_TRIES = 3
"""Challenges that are met in one session."""


def begun(header: SyncHdr, config: ServerConfig) -> ServerState:
    """Begin a session: we show ourselves as the client wanted it the last time."""
    state, account = ServerState.begin(header), config.account
    if account is None or account.scheme is None:
        return state
    first = auth.Challenge(account.scheme, account.nonce)
    shown = _as_asked(account, config.asked or first) or account
    return state.challenged(auth.Challenge(shown.scheme or first.scheme, shown.nonce))


def mac(state: ServerState, account: auth.Account | None, octets: bytes) -> str | None:
    """Give what goes beside a reply, sent for the first time or again, where a MAC is shown."""
    shown = _shown(state, account)
    if shown is None or shown.scheme is not auth.Scheme.MAC:
        return None
    return auth.write_hmac(shown, octets)


def _shown(state: ServerState, account: auth.Account | None) -> auth.Account | None:
    """Give what a client that we know has yet to believe."""
    if state.identity is None or state.is_trusted or state.challenges >= _TRIES:
        return None
    return _as_asked(account, state.asked)


def _as_asked(account: auth.Account | None, asked: auth.Challenge | None) -> auth.Account | None:
    """Give our account as the client wants it shown, None where that is less than we show."""
    try:
        return account.meet(asked) if account and asked else account
    except auth.AsksForLess:  # it goes without, and says what it thinks of that
        return None


def answered(state: ServerState, status: Status) -> ServerState:
    """Take what the client says of our header; what it has refused with it is said again."""
    with suppress(PeerError):
        if status.chal:  # with success, too: what is to be shown the next time
            state = state.challenged(auth.read_challenge(status.chal))
    if status.code == StatusCode.AUTHENTICATED:
        return replace(state, is_trusted=True)
    if status.code not in (StatusCode.UNAUTHORIZED, StatusCode.MISSING_CREDENTIALS):
        return state
    return replace(
        state,
        is_trusted=False,
        challenges=state.challenges + 1,
        alerted=0,
        asked_devinf=False,
    )


def judge(alert: Alert, header: SyncHdr, guard: Guard | None) -> tuple[int, auth.Challenge | None]:
    """Judge the credentials of an Alert: 0 or the status of the refusal, and what to show next."""
    challenge = None
    if guard is None:
        return 0, None
    for item in alert.items:
        try:
            shown = auth.read(alert.cred, _user(item, header), header.version)
        except PeerError as exc:
            return exc.answer or StatusCode.UNAUTHORIZED, None
        result = guard(plain(item.target.uri if item.target else ""), shown, header.source.uri)
        challenge = result.challenge
        if not result.ok:
            return StatusCode.UNAUTHORIZED if shown else StatusCode.MISSING_CREDENTIALS, challenge
    return 0, challenge


def _user(item: Item, header: SyncHdr) -> str:
    """Give the name of the user of a digest: as in a header, it stands beside the Source."""
    named = item.source.name if item.source else None
    return named or header.source.name or header.source.uri


def heading(header: SyncHdr, state: ServerState, config: ServerConfig) -> SyncHdr:
    """Write the header of a reply; the first one says where we are and what we take."""
    first = state.replies == 0
    shown = _shown(state, config.account)
    return SyncHdr(
        session_id=header.session_id,
        msg_id=state.replies + 1,
        target=Location(header.source.uri),
        source=Location(config.device_id, auth.name(shown)),
        version=header.version,
        resp_uri=config.resp_uri if first else None,
        meta=Meta(max_msg_size=config.max_msg_size) if first else None,
        cred=auth.credential(shown, header.version),
    )
