"""Semi-octets: digits two to an octet, the first one in the lower half. TS 24.008."""


def swapped(digits: str) -> bytes:
    """Write digits as semi-octets, least significant half first, F filling the last."""
    padded = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join([padded[i + 1] + padded[i] for i in range(0, len(padded), 2)]))


def unswapped(octets: bytes) -> str:
    """Read semi-octets up to the filling F."""
    return "".join([half[1] + half[0] for half in map("{:02X}".format, octets)]).rstrip("F")
