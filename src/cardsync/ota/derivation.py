"""Keys for one purpose alone, derived from a key of the card. NIST SP 800-108."""

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

from cardsync.errors import LocalError


def derive(key: bytes, label: bytes) -> bytes:
    """Give the 16 octets that `label` derives from a key of 16, 24 or 32; else `LocalError`.

    Counter mode with AES-CMAC, 32-bit counter and length, no context.
    """
    if len(key) not in (16, 24, 32):
        raise LocalError(f"a key of {len(key)} octets is too weak to derive from")
    derivation = KBKDFCMAC(
        algorithm=AES,
        mode=Mode.CounterMode,
        length=16,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=label,
        context=b"",
        fixed=None,
    )
    return derivation.derive(key)
