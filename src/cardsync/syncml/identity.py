"""What a server shows of itself, and how the client takes it. DS Protocol 1.2, "Authentication"."""

import base64
from dataclasses import replace

from cardsync.errors import PeerError
from cardsync.syncml import auth
from cardsync.syncml.elements import Cred, Status, Version
from cardsync.syncml.state import ServerState
from cardsync.syncml.status import StatusCode

_TRIES = 3
"""Challenges that are met in one session."""


def credential(state: ServerState, account: auth.Account | None, version: Version) -> Cred | None:
    """Show our account until the client trusts us, as its last challenge asks."""
    if account is None or state.is_trusted or state.challenges >= _TRIES:
        return None
    if state.scheme:
        nonce = base64.b64decode(state.nonce)
        account = replace(account, scheme=auth.Scheme(state.scheme), nonce=nonce)
    return auth.credential(account, version)


def answered(state: ServerState, status: Status) -> ServerState:
    """Take what the client says of our header; what it has refused with it is said again."""
    if status.code == StatusCode.AUTHENTICATED:
        return replace(state, is_trusted=True)
    if status.code not in (StatusCode.UNAUTHORIZED, StatusCode.MISSING_CREDENTIALS):
        return state
    try:
        challenge = auth.read_challenge(status.chal) if status.chal else None
    except PeerError:
        challenge = None
    return replace(
        state,
        is_trusted=False,
        challenges=state.challenges + 1,
        scheme=challenge.scheme.value if challenge else state.scheme,
        nonce=base64.b64encode(challenge.nonce).decode() if challenge else state.nonce,
        alerted=0,
        asked_devinf=False,
    )
