"""`cardsync operator account` and `restore`: what is done to the operator's database by hand.

Both work beside an operator that serves: they join its database.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from cardsync.operator.store.database import Connection

_PASSWORD = "CARDSYNC_ACCOUNT_PASSWORD"  # noqa: S105  # the name of a variable

Home = Annotated[
    Path, typer.Option(help="Where master key and database lie.", envvar="CARDSYNC_OPERATOR_HOME")
]
Dsn = Annotated[str | None, typer.Option(help="A PostgreSQL of your own.", envvar="CARDSYNC_DSN")]
_User = Annotated[str, typer.Argument(help="Name of the user, without a colon.")]
_Remove = Annotated[bool, typer.Option("--remove", help="Take the account away.")]
_Device = Annotated[str, typer.Argument(help="Name of the device, such as IMEI:490154203237518.")]
_Database = Annotated[str, typer.Option(help="Which of its databases.")]
_Before = Annotated[
    str | None,
    typer.Option(help="A time, ISO 8601; without it the device's last refresh is undone."),
]


def account(user: _User, *, home: Home, dsn: Dsn = None, remove: _Remove = False) -> None:
    """Let a SyncML peer in that has no card, by a password.

    It is read from standard input, or from CARDSYNC_ACCOUNT_PASSWORD.
    """
    from cardsync.operator import server  # noqa: PLC0415  # fast --help
    from cardsync.operator.store.credentials import Accounts  # noqa: PLC0415

    password = b"" if remove else _password()
    with server.storage(server.OperatorConfig(home, dsn=dsn)) as (database, cards, _):
        accounts = Accounts(cards.master)
        with database.transaction() as connection:
            if not remove:
                accounts.set_password(connection, user, password)
            elif not accounts.remove(connection, user):
                raise ConfigError(f"{user}: there is no such account")
    print(f"{user}: {'removed' if remove else 'may synchronize'}")


def restore(
    device: _Device,
    *,
    home: Home,
    dsn: Dsn = None,
    database: _Database = "devman",
    before: _Before = None,
) -> None:
    """Make a device's database what it was before its last refresh, or at a time."""
    from cardsync.operator import server  # noqa: PLC0415  # fast --help
    from cardsync.operator.store import restoring  # noqa: PLC0415
    from cardsync.operator.store.records import Place  # noqa: PLC0415

    moment, now = None if before is None else _moment(before), datetime.now(UTC)
    with (
        server.storage(server.OperatorConfig(home, dsn=dsn)) as (opened, _, _),
        opened.transaction() as connection,
    ):
        place = Place(_number(connection, device), database)
        moment = moment or restoring.last_refresh(connection, place)
        if moment is None:
            raise ConfigError(f"{device} has not refreshed {database} yet; name a time by --before")
        done = restoring.restore(connection, place, moment, now)
    print(
        f"{device}: {database} is as it was before {moment.isoformat(timespec='milliseconds')}: "
        f"{done.back} records put back, {done.removed} removed"
    )
    print("The device hears of it at its next two-way synchronization.")


def _number(connection: "Connection", device: str) -> int:
    from cardsync.operator.store import devices  # noqa: PLC0415

    number = devices.find(connection, device)
    if number is None:
        raise ConfigError(f"{device}: no device has this name; the list is on the operator's pages")
    return number


def _password() -> bytes:
    """Take the password from the environment or standard input, which are in no process list."""
    given = os.environ.get(_PASSWORD)
    if given is None:
        given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise ConfigError(f"a password is expected on standard input, or in {_PASSWORD}")
    return given.encode()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"--before {text}: a time is expected, such as 2026-11-23T04:30:00+00:00"
        ) from None
    return moment if moment.tzinfo else moment.astimezone()
