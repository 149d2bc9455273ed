"""Accounts of SyncML peers that have no card: a password, sealed with the operator's master key.

It has to be readable, because a digest with a nonce of ours can only be checked with it. The
nonce is not kept either: it is made of the master key, the user, the device, and the number of
digests that the device has shown with success. So it cannot be guessed, is good for one success,
and a stranger who asks for one leaves nothing behind.
"""

import base64
import hmac
import secrets
from hashlib import sha256

from cardsync.errors import LocalError, PeerError
from cardsync.operator.store import devices
from cardsync.operator.store.database import Connection
from cardsync.operator.store.seal import MasterKey
from cardsync.syncml import auth

MAX_NAME = 64
"""Octets of a user's name."""
MAX_PASSWORD = 256
"""Octets of a password."""

_UNAUTHORIZED = 401
_NONCE = 12  # octets; as base64, since some peers end a nonce at a NUL


class Accounts:
    """The accounts, under the master key."""

    def __init__(self, master: MasterKey) -> None:
        self._master = master

    def set_password(self, connection: Connection, user: str, password: bytes) -> None:
        """Add an account, or change its password. Raises `LocalError` for what cannot be one."""
        name = user.encode()
        if not 0 < len(name) <= MAX_NAME or b":" in name or not user.isprintable():
            raise LocalError(f"a user's name has 1 to {MAX_NAME} octets, all visible, no colon")
        if not 0 < len(password) <= MAX_PASSWORD:
            raise LocalError(f"a password has 1 to {MAX_PASSWORD} octets")
        sealed = self._master.seal(password, _owner(user))
        connection.execute(
            "INSERT INTO credential (user_name, sealed) VALUES (%s, %s) "
            "ON CONFLICT (user_name) DO UPDATE SET sealed = excluded.sealed",
            [user, sealed],
        )

    def remove(self, connection: Connection, user: str) -> bool:
        """Remove an account; say whether there was one."""
        done = connection.execute("DELETE FROM credential WHERE user_name = %s", [user])
        return bool(done.rowcount)

    def check(self, connection: Connection, proof: auth.Proof, nonce: bytes = b"") -> None:
        """Raise `PeerError` (answer 401) if it was not made with the user's password."""
        if not proof.matches(self._password(connection, proof.user), nonce):
            raise PeerError("user or password is wrong", answer=_UNAUTHORIZED)

    def nonce(self, connection: Connection, user: str, device: str, number: int | None) -> bytes:
        """Give the nonce with which a device's next digest is made; it is text."""
        taken = 0 if number is None else devices.proofs(connection, number)
        made = hmac.digest(
            self._master.derive("nonce"), f"{taken} {user}: {device}".encode(), sha256
        )
        return base64.urlsafe_b64encode(made[:_NONCE])

    def _password(self, connection: Connection, user: str) -> bytes:
        """Give a password; for an unknown user one that nobody has."""
        if "\0" in user:
            return secrets.token_bytes(16)
        row = connection.execute(
            "SELECT sealed FROM credential WHERE user_name = %s", [user]
        ).fetchone()
        return self._master.unseal(row[0], _owner(user)) if row else secrets.token_bytes(16)


def _owner(user: str) -> str:
    return f"credential {user}"
