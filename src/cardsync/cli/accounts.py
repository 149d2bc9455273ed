"""Names and passwords of SyncML: from an argument, a file or the environment."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cardsync.cli import inputs
from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from cardsync.syncml import auth

USERS: Final = "CARDSYNC_SYNCML_USERS"
"""The variable with a NAME:PASSWORD on each line."""


class Scheme(Enum):
    """How a password is shown."""

    BASIC = "basic"
    MD5 = "md5"
    MAC = "mac"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one name and password come from: options, for the password a variable, too."""

    option: str
    file: str
    variable: str

    def read(
        self, user: str | None, path: Path | None, scheme: Scheme | None
    ) -> "auth.Account | None":
        """Give the account of NAME:PASSWORD, or of NAME and a password elsewhere."""
        from cardsync.syncml import auth  # noqa: PLC0415  # fast --help

        if user is None:
            return None
        name, colon, password = user.partition(":")
        if not colon and path is not None:
            password = inputs.text(path).rstrip("\r\n")
        elif not colon and self.variable in os.environ:
            password = os.environ[self.variable]
        elif not colon or not name:
            raise ConfigError(
                f"{self.option} {name}: a name is expected, and a password behind a colon, "
                f"in the file of {self.file}, or in {self.variable}"
            )
        return auth.Account(scheme and auth.Scheme[scheme.name], name, password.encode())


PEER: Final = Place("--user", "--password-file", "CARDSYNC_SYNCML_PASSWORD")

SERVER: Final = Place("--server", "--server-password-file", "CARDSYNC_SYNCML_SERVER_PASSWORD")

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="NAME:PASSWORD",
        help="What we show of ourselves to users whom we know; "
        f"the password may stand in {SERVER.variable}.",
    ),
]
ServerScheme = Annotated[
    Scheme, typer.Option("--server-auth", help="The least by which we show it.")
]
ServerFile = Annotated[
    Path | None,
    typer.Option("--server-password-file", help="Or the server's password in this file."),
]


def users(given: Sequence[str] | None, path: Path | None) -> dict[str, bytes]:
    """Collect names and passwords from arguments, a file, the environment."""
    places = {"--user": given or [], USERS: os.environ.get(USERS, "").splitlines()}
    if path is not None:
        places[str(path)] = inputs.text(path).splitlines()
    return dict(_pair(line, at) for at, lines in places.items() for line in lines if line.strip())


def _pair(line: str, place: str) -> tuple[str, bytes]:
    name, colon, password = line.partition(":")
    if not colon or not name:
        raise ConfigError(f"{place}: a user is expected as NAME:PASSWORD")
    return name, password.encode()
