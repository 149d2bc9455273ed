"""Card keys at rest: sealed with AES-256-GCM under the operator's master key.

A sealed text is one octet of version (01), the nonce (12), the ciphertext and its tag (16). What
the text belongs to is authenticated with it, so that a row cannot be moved to another card.
"""

import hmac
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cardsync.errors import ConfigError

_VERSION = b"\x01"
_NONCE = 12
_KEY = 32


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key that seals all others; it lives in a file of its own, 0600, and nowhere else."""

    octets: bytes = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the key, or make it where it is missing. Raises `ConfigError`."""
        try:
            if not path.exists():
                _create(path)
            mode, octets = path.stat().st_mode, path.read_bytes()
        except OSError as error:
            raise ConfigError(f"the master key {path} cannot be used: {error}") from error
        if stat.S_IMODE(mode) & 0o077:
            raise ConfigError(
                f"the master key {path} can be read by other accounts; chmod 600 it, and consider "
                "whether the keys of the cards are still secret"
            )
        if len(octets) != _KEY:
            raise ConfigError(f"the master key {path} is not {_KEY} octets; restore the right file")
        return cls(octets)

    def seal(self, text: bytes, owner: str) -> bytes:
        """Seal a text that belongs to `owner`."""
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + nonce + AESGCM(self.octets).encrypt(nonce, text, owner.encode())

    def unseal(self, sealed: bytes, owner: str) -> bytes:
        """Open what was sealed for `owner`. Raises `ConfigError` under another master key."""
        nonce, ciphered = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            return AESGCM(self.octets).decrypt(nonce, ciphered, owner.encode())
        except InvalidTag:
            raise ConfigError(
                f"what is sealed for {owner} does not open with this master key; "
                "restore the file master.key that belongs to this database"
            ) from None

    def derive(self, purpose: str) -> bytes:
        """Give a key of 32 octets for one purpose other than sealing."""
        return hmac.digest(self.octets, f"cardsync {purpose}".encode(), "sha256")


def _create(path: Path) -> None:
    """Make the file whole or not at all; of several processes the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    side = path.with_name(f"{path.name}.{os.getpid()}.new")
    file = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(secrets.token_bytes(_KEY))
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(side, path)
    except FileExistsError:
        pass
    finally:
        side.unlink()
