"""Semi-octets: digits two to an octet, the first one in the lower half. TS 24.008."""

from cardsync.errors import PeerError


def swapped(digits: str) -> bytes:
    """Write digits as semi-octets, least significant half first, F filling the last."""
    padded = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join([padded[i + 1] + padded[i] for i in range(0, len(padded), 2)]))


def unswapped(octets: bytes) -> str:
    """Read semi-octets up to the filling F."""
    return "".join([half[1] + half[0] for half in map("{:02X}".format, octets)]).rstrip("F")


def pair(number: int) -> int:
    """Write a number of 0 to 99 as the two digits of one octet."""
    return number % 10 << 4 | number // 10


def unpair(octet: int) -> int:
    """Read the two digits of one octet as a number; raise `PeerError` if they are no digits."""
    tens, ones = octet & 0x0F, octet >> 4
    if tens > 9 or ones > 9:
        raise PeerError(f"octet {octet:02X} is not two digits")
    return tens * 10 + ones
