"""The certificate by which a server shows over TLS who it is."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from cardsync.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the server's certificate with those between it and its authority; its key."""

    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Load both; raise `ConfigError` unless they can be read and belong together."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.chain, self.key, password=lambda: b"")
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(
                f"{self.chain} and {self.key}: no certificate with its key, without a password, "
                f"in PEM: {error}"
            ) from error
        return context
