"""What a secure channel protects. GlobalPlatform Card Specification 2.3 clauses 10.6 and 11.1.

Amendment D clause 7.1.2.1, clause E.5.2.3.
"""

from enum import IntFlag

MAC_LENGTH = 8
SECURED_CLASS = 0x84
"""CLA of a command with secure messaging; the logical channel does not count in a checksum."""


class Level(IntFlag):
    """Security level: P1 of EXTERNAL AUTHENTICATE."""

    C_MAC = 0x01
    C_DECRYPTION = 0x02
    R_MAC = 0x10
    R_ENCRYPTION = 0x20


SCP02_LEVELS = frozenset({0x01, 0x03})
SCP03_LEVELS = frozenset({0x01, 0x03, 0x11, 0x13, 0x33})
"""Levels that are offered: authentication alone (00) would leave every command unprotected."""


def is_answered(sw: int) -> bool:
    """Say whether a response with this status word is protected: success and warnings are."""
    return sw == 0x9000 or sw >> 8 in {0x62, 0x63}
