"""Users and passwords of SyncML peers that have no card: scrypt of RFC 7914, never the password."""

import hmac
import secrets
from hashlib import scrypt

from cardsync.errors import PeerError
from cardsync.operator.store.database import Connection

_UNAUTHORIZED = 401


def set_password(connection: Connection, user: str, password: bytes) -> None:
    """Add a user, or change a password."""
    salt = secrets.token_bytes(16)
    connection.execute(
        "INSERT INTO credential (user_name, salt, digest) VALUES (%s, %s, %s) "
        "ON CONFLICT (user_name) DO UPDATE SET salt = excluded.salt, digest = excluded.digest",
        [user, salt, _digest(password, salt)],
    )


def check(connection: Connection, user: str, password: bytes) -> None:
    """Raise `PeerError` (answer 401) if the password is not the user's."""
    row = connection.execute(
        "SELECT salt, digest FROM credential WHERE user_name = %s", [user]
    ).fetchone()
    # An unknown user costs as much time as a wrong password.
    salt, expected = row or (bytes(16), bytes(32))
    if not hmac.compare_digest(_digest(password, salt), expected):
        raise PeerError("user or password is wrong", answer=_UNAUTHORIZED)


def _digest(password: bytes, salt: bytes) -> bytes:
    """16 MiB and some 40 ms: n, r and p as RFC 7914 clause 2 advises for interactive logins."""
    return scrypt(password, salt=salt, n=1 << 14, r=8, p=1, dklen=32, maxmem=1 << 25)
