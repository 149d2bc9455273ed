"""Addresses of the command line, and the message centre at one."""

import os

from cardsync.errors import ConfigError
from cardsync.transport.message_centre import MessageCentre

SMPP_PASSWORD = "CARDSYNC_SMPP_PASSWORD"  # noqa: S105  # the name of a variable


def message_centre(address: str, system_id: str, number: str) -> MessageCentre:
    """Read HOST:PORT; the password comes from the environment, which is in no process list."""
    host, port = host_and_port("--smsc", address, 2775)
    password = os.environ.get(SMPP_PASSWORD, "")
    if not password:
        raise ConfigError(
            f"--smsc: the password of the message centre is expected in {SMPP_PASSWORD}"
        )
    return MessageCentre(host, port, system_id, password, number)


def host_and_port(option: str, address: str, usual: int) -> tuple[str, int]:
    """Read HOST:PORT, an IPv6 address in brackets."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()):
        raise ConfigError(f"{option} {address}: HOST:PORT is expected, such as 127.0.0.1:{usual}")
    return host.removeprefix("[").removesuffix("]"), int(port)
