"""`cardsync syncml sync`: a client for folders and tables."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from cardsync.cli import accounts
from cardsync.cli.accounts import Scheme
from cardsync.cli.syncml import ContentType, Databases, Emptying, MaxMessage
from cardsync.cli.syncml import interrupt as at_once
from cardsync.errors import ConfigError, PeerError

if TYPE_CHECKING:
    from cardsync.fleet.syncml_client import Order
    from cardsync.syncml.events import SessionResult
    from cardsync.syncml.filters import Wanted

_CARRIER_HINTS: Final[dict[int | str, str]] = {
    404: "; is the path right, such as /syncml?",
    "unreachable": "; does the server run, and is the address right?",
    "timed out": "; --timeout allows more",
    "unsupported": "; http://HOST:PORT/PATH is expected, or https:, wsp:, obex:",
}
"""What a person can do where no message came back, by the status of HTTP or the failure."""

Gateway = Annotated[str, typer.Option(help="HOST[:PORT] of a WAP gateway, to go by WSP.")]
Connectionless = Annotated[bool, typer.Option("--connectionless", help="WSP in datagrams.")]
Authorities = Annotated[str, typer.Option(help="PEM of those whose certificates are trusted.")]
AllowSlow = Annotated[
    bool, typer.Option("--allow-slow", help="Compare everything where the server asks for it.")
]
Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="DATABASE=QUERY", help="Ask for some items: N&iCON;bo."),
]

Fields = Annotated[
    list[str] | None,
    typer.Option("--fields", metavar="DATABASE=NAME,NAME", help="Ask for some fields: N,TEL."),
]

Exclusive = Annotated[
    bool, typer.Option("--exclusive", help="Have nothing here but what meets --filter.")
]


class Kind(Enum):
    """What `--type` may say, as the standard says it."""

    TWO_WAY = "two-way"
    SLOW = "slow"
    ONE_WAY_FROM_CLIENT = "one-way-from-client"
    REFRESH_FROM_CLIENT = "refresh-from-client"
    ONE_WAY_FROM_SERVER = "one-way-from-server"
    REFRESH_FROM_SERVER = "refresh-from-server"


class Protocol(Enum):
    """What `--protocol` may say."""

    V1_0 = "1.0"
    V1_1 = "1.1"
    V1_2 = "1.2"


Url = Annotated[
    str,
    typer.Argument(help="Such as http://127.0.0.1:9100/syncml, or wsp:, or obex:."),
]
User = Annotated[
    str | None,
    typer.Option(
        metavar="NAME:PASSWORD", help=f"The password may stand in {accounts.PEER.variable}."
    ),
]
Least = Annotated[
    Scheme | None,
    typer.Option("--auth", help="The least that is shown; without it what the server asks for."),
]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="NAME:PASSWORD",
        help="What the server has to show of itself before anything is synchronized; "
        f"the password may stand in {accounts.SERVER.variable}.",
    ),
]
ServerScheme = Annotated[
    Scheme, typer.Option("--server-auth", help="The least that the server may show.")
]


def sync(
    url: Url,
    databases: Databases,
    *,
    user: User = None,
    password_file: Annotated[Path | None, typer.Option(help="Or in this file.")] = None,
    kind: Annotated[Kind, typer.Option("--type", help="What goes which way.")] = Kind.TWO_WAY,
    protocol: Annotated[Protocol, typer.Option(help="Version of SyncML.")] = Protocol.V1_2,
    xml: Annotated[bool, typer.Option("--xml", help="XML in place of WBXML.")] = False,
    scheme: Least = None,
    server: Server = None,
    server_password_file: accounts.ServerFile = None,
    server_scheme: ServerScheme = Scheme.MD5,
    device: Annotated[str | None, typer.Option(help="Our name, such as IMEI:...")] = None,
    max_message: MaxMessage = 65536,
    content_type: ContentType = "*/*",
    timeout: Annotated[float, typer.Option(help="Seconds for one exchange.", min=0.1)] = 60.0,
    allow_slow: AllowSlow = False,
    allow_emptying: Emptying = False,
    gateway: Gateway = "",
    connectionless: Connectionless = False,
    authorities: Authorities = "",
    wanted: Filters = None,
    fields: Fields = None,
    exclusive: Exclusive = False,
) -> None:
    """Synchronize databases with a server: 0 where both are equal, 1 where it failed."""
    order = replace(
        _order(url, kind, protocol, allow_slow=allow_slow, allow_emptying=allow_emptying, xml=xml),
        account=accounts.PEER.read(user, password_file, scheme),
        server=accounts.SERVER.read(server, server_password_file, server_scheme),
        device_id=device,
        max_msg_size=_largest(max_message, connectionless=connectionless),
        filters=_filters(wanted, fields, databases, protocol, exclusive=exclusive),
    )
    way = gateway, authorities, timeout
    _end(_run(order, databases, content_type, way, connectionless=connectionless), user)


def _order(
    url: str, kind: Kind, protocol: Protocol, *, allow_slow: bool, allow_emptying: bool, xml: bool
) -> "Order":
    from cardsync.fleet.syncml_client import Order  # noqa: PLC0415  # fast --help
    from cardsync.syncml import codec, elements  # noqa: PLC0415
    from cardsync.terminal.databases.indexed import SafetyStop  # noqa: PLC0415

    version, kind_code = elements.Version[protocol.name], elements.AlertCode[kind.name]
    form = codec.XML if xml else codec.WBXML
    return Order(url, kind_code, version, form, stop=SafetyStop(allow_slow, allow_emptying))


def _largest(octets: int, *, connectionless: bool) -> int:
    """Limit a message to what goes in datagrams, if it goes in datagrams."""
    from cardsync.transport.wsp_client import LARGEST_UNIT  # noqa: PLC0415  # fast --help

    return min(octets, LARGEST_UNIT) if connectionless else octets


def _filters(
    queries: list[str] | None,
    chosen: list[str] | None,
    databases: list[str],
    protocol: Protocol,
    *,
    exclusive: bool,
) -> "dict[str, Wanted]":
    """Read what is asked of each database."""
    from cardsync.syncml.filters import ALL, Query, read_fields  # noqa: PLC0415  # fast --help

    if (queries or chosen) and protocol is not Protocol.V1_2:
        option = "--filter" if queries else "--fields"
        raise ConfigError(f"{option} needs SyncML 1.2, not --protocol {protocol.value}")
    if exclusive and not queries:
        raise ConfigError("--exclusive needs a --filter: it keeps nothing else here")
    filters = {}
    for name, query in _pairs("--filter", queries or [], databases, "QUERY"):
        with _refused(f"--filter {name}={query}", "N&iCON;bo"):
            Query.decode(query)
        filters[name] = replace(ALL, query=query, exclusive=exclusive)
    for name, fields in _pairs("--fields", chosen or [], databases, "NAME,NAME"):
        with _refused(f"--fields {name}={fields}", "N,TEL"):
            names = read_fields(fields.split(","))
        filters[name] = replace(filters.get(name, ALL), fields=names)
    return filters


def _pairs(
    option: str, values: list[str], databases: list[str], what: str
) -> Iterator[tuple[str, str]]:
    """Give database and value of each; raise `ConfigError` for a database that is not named."""
    names = {database.partition("=")[0] for database in databases}
    for each in values:
        name, _, value = each.partition("=")
        if name not in names:
            raise ConfigError(f"{option} {each}: DATABASE={what} is expected, of a database named")
        yield name, value


@contextmanager
def _refused(option: str, example: str) -> Iterator[None]:
    """Say what is wrong with an option."""
    try:
        yield
    except PeerError as exc:
        raise ConfigError(f"{option}: {exc}; such as {example} is expected") from exc


def _end(result: "SessionResult", user: str | None) -> NoReturn:
    """Say how it went, and end."""
    from cardsync.cli.syncml_report import hints, summary  # noqa: PLC0415  # fast --help

    print("\n".join((*summary(result), *hints(result, user))))
    sys.exit(0 if result.ok else 1)


def _run(
    order: "Order",
    databases: list[str],
    content_type: str,
    way: tuple[str, str, float],
    *,
    connectionless: bool,
) -> "SessionResult":
    """Run the session; a server that cannot be reached ends the program."""
    from cardsync.fleet.carriers import Carriers, Settings, Taps  # noqa: PLC0415  # fast --help
    from cardsync.fleet.syncml_client import synchronize  # noqa: PLC0415
    from cardsync.terminal.databases.sources import open_sources  # noqa: PLC0415
    from cardsync.transport.carrier import CarrierError  # noqa: PLC0415

    ended: list[bool] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        """Break off in order, and the next session goes on; a second time ends it at once."""
        if ended:
            at_once(number, frame)
        ended.append(True)
        os.write(sys.stderr.fileno(), b"\nbreaking off; once more ends it at once\n")

    signal.signal(signal.SIGINT, interrupt)
    sources = open_sources(databases, content_type, "is synchronized")
    tell = _tell if sys.stderr.isatty() else _say_nothing
    try:
        with Carriers(Settings(*way, redirections=3), Taps()) as carriers:
            carrier = carriers.choose(order.url, connectionless=connectionless)
            return synchronize(
                order, sources, carrier, wants_end=lambda: bool(ended), tell=tell,
                bare=lambda url: _warn(url) if carriers.is_open(url) else None,
            )  # fmt: skip
    except CarrierError as error:
        hint = _CARRIER_HINTS.get(error.status or error.kind.value, "")
        print(f"{order.url}: {error}{hint}", file=sys.stderr)
        sys.exit(1)
    finally:
        for source in sources:
            source.close()


def _tell(sent: int, received: int, octets: int) -> None:
    """Say on the terminal how far a session is, in the line in which it said so before."""
    line = f"{sent} items sent, {received} received, {octets // 1024} KB"
    print(f"\r{line}\x1b[K", end="\r", file=sys.stderr, flush=True)


def _warn(url: str) -> None:
    """Say that a password goes where others may read it."""
    print(
        f"{url} asks for the password itself, and others can read it on the way; "
        "https, or --auth md5 where the server can, keeps it secret, and --auth basic this line",
        file=sys.stderr,
    )


def _say_nothing(sent: int, received: int, octets: int) -> None:
    """Keep what is no terminal free of it."""
