"""`cardsync syncml`: a server and a client for folders and tables, and a reader of messages."""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from cardsync.errors import ConfigError, PeerError

if TYPE_CHECKING:
    from cardsync.fleet.carriers import Settings as CarrierSettings
    from cardsync.fleet.syncml_client import Order
    from cardsync.fleet.syncml_http import HttpServer
    from cardsync.syncml import auth
    from cardsync.syncml.events import Event, SessionResult
    from cardsync.terminal.databases.sources import Source

app = typer.Typer(help="SyncML by itself: serve, synchronize, show.", no_args_is_help=True)

_PASSWORD = "CARDSYNC_SYNCML_PASSWORD"  # noqa: S105  # the name of a variable
_USERS = "CARDSYNC_SYNCML_USERS"
"""What a person can do, by the status of a session."""

_CARRIER_HINTS: Final[dict[int | str, str]] = {
    404: "; is the path right, such as /syncml?",
    "unreachable": "; does the server run, and is the address right?",
    "timed out": "; --timeout allows more",
    "unsupported": "; http://HOST:PORT/PATH is expected",
}
"""The same where no message came back, by the status of HTTP or the kind of the failure."""

MaxMessage = Annotated[
    int, typer.Option(help="Largest message in octets.", min=1024, max=1_048_576)
]
Databases = Annotated[
    list[str], typer.Argument(metavar="DATABASE=FOLDER...", help="Or DATABASE=FILE.sqlite#TABLE.")
]
ContentType = Annotated[
    str, typer.Option(help="Media type of all items; without it each item tells its own.")
]


Emptying = Annotated[
    bool, typer.Option("--allow-emptying", help="Let a peer delete all, or nearly all, items.")
]

Wsp = Annotated[
    str | None, typer.Option(help="HOST[:PORT] of WSP; without connection at the port below.")
]
Obex = Annotated[str | None, typer.Option(help="HOST[:PORT] of OBEX over TCP.")]
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


class Scheme(Enum):
    """How a password is shown."""

    BASIC = "basic"
    MD5 = "md5"
    MAC = "mac"


class Rule(Enum):
    """Who wins where both sides changed one item."""

    CLIENT = "client-wins"
    SERVER = "server-wins"
    NEWEST = "newest"
    DUPLICATE = "duplicate"


@app.command()
def serve(
    databases: Databases,
    *,
    port: Annotated[int, typer.Option(help="Port of HTTP; 0 takes a free one.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    user: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:PASSWORD", help="Who may come in; nobody named: everyone."),
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option(help=f"A file with NAME:PASSWORD lines, or such lines in {_USERS}."),
    ] = None,
    scheme: Annotated[Scheme, typer.Option("--auth", help="What is asked for.")] = Scheme.MD5,
    rule: Annotated[Rule, typer.Option(help="Who wins a conflict.")] = Rule.CLIENT,
    max_message: MaxMessage = 262_144,
    content_type: ContentType = "*/*",
    allow_emptying: Emptying = False,
    wsp: Wsp = None,
    obex: Obex = None,
) -> None:
    """Serve SyncML at http://HOST:PORT/syncml, XML and WBXML, 1.0 to 1.2."""
    from cardsync.fleet.syncml_doors import beside  # noqa: PLC0415  # fast --help
    from cardsync.fleet.syncml_http import HttpServer  # noqa: PLC0415
    from cardsync.fleet.syncml_server import Settings, SyncmlServer  # noqa: PLC0415
    from cardsync.syncml import auth, datastore  # noqa: PLC0415
    from cardsync.terminal.databases.indexed import SafetyStop  # noqa: PLC0415
    from cardsync.terminal.databases.sources import open_source  # noqa: PLC0415
    from cardsync.transport.doors import Doors  # noqa: PLC0415

    doors = Doors.read(wsp, obex)
    rules = dict(zip(Rule, datastore.Rule, strict=True))
    stop, wanted = SafetyStop(True, allow_emptying), auth.Scheme[scheme.name]
    settings = Settings(_accounts(user, users), wanted, rules[rule], max_message, stop)
    sources = [open_source(each, content_type) for each in databases]
    answer = SyncmlServer(sources, settings, _complain).serve
    _serve(HttpServer(host, port, answer), beside(doors, answer), sources)


def _complain(device: str, events: "Sequence[Event]") -> None:
    """Say on standard error what went wrong in a session, for whoever runs the server."""
    from cardsync.cli.syncml_report import complaints  # noqa: PLC0415  # fast --help

    for line in complaints(device, events):
        print(line, file=sys.stderr, flush=True)


def _serve(
    server: "HttpServer", beside: AbstractContextManager[Sequence[str]], sources: list["Source"]
) -> None:
    names = ", ".join(source.name for source in sources)
    with beside as urls:
        print(f"serving {names} at {', '.join((*urls, server.url))}", flush=True)
        _until_the_end(server.serve_forever)
    server.server_close()
    for source in sources:
        source.close()


def _until_the_end(serve_forever: Callable[[float], None]) -> None:
    """Serve until the process is asked to end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with suppress(KeyboardInterrupt):
        serve_forever(0.2)


Url = Annotated[
    str,
    typer.Argument(help="Such as http://127.0.0.1:9100/syncml, or wsp:, or obex:."),
]
User = Annotated[
    str | None,
    typer.Option(metavar="NAME:PASSWORD", help=f"The password may stand in {_PASSWORD}."),
]


@app.command()
def sync(
    url: Url,
    databases: Databases,
    *,
    user: User = None,
    password_file: Annotated[Path | None, typer.Option(help="Or in this file.")] = None,
    kind: Annotated[Kind, typer.Option("--type", help="What goes which way.")] = Kind.TWO_WAY,
    protocol: Annotated[Protocol, typer.Option(help="Version of SyncML.")] = Protocol.V1_2,
    xml: Annotated[bool, typer.Option("--xml", help="XML in place of WBXML.")] = False,
    scheme: Annotated[Scheme, typer.Option("--auth", help="What is shown first.")] = Scheme.BASIC,
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
) -> None:
    """Synchronize databases with a server: 0 where both are equal, 1 where it failed."""
    from cardsync.fleet.carriers import Settings  # noqa: PLC0415  # fast --help
    from cardsync.fleet.syncml_client import Order  # noqa: PLC0415
    from cardsync.syncml import codec, elements  # noqa: PLC0415
    from cardsync.terminal.databases.indexed import SafetyStop  # noqa: PLC0415

    order = Order(
        url,
        elements.AlertCode[kind.name],
        elements.Version[protocol.name],
        codec.XML if xml else codec.WBXML,
        _account(user, password_file, scheme),
        device,
        _largest(max_message, connectionless=connectionless),
        SafetyStop(allow_slow, allow_emptying),
        _filters(wanted or [], databases, protocol),
    )
    way = Settings(gateway, authorities, timeout)
    _end(_run(order, databases, content_type, way, connectionless=connectionless), user)


def _largest(octets: int, *, connectionless: bool) -> int:
    """Limit a message to what goes in datagrams, if it goes in datagrams."""
    from cardsync.transport.wsp_client import LARGEST_UNIT  # noqa: PLC0415  # fast --help

    return min(octets, LARGEST_UNIT) if connectionless else octets


def _filters(wanted: list[str], databases: list[str], protocol: Protocol) -> dict[str, str]:
    """Read what is asked of each database."""
    from cardsync.syncml.filters import Query  # noqa: PLC0415  # fast --help

    if wanted and protocol is not Protocol.V1_2:
        raise ConfigError(f"--filter needs SyncML 1.2, not --protocol {protocol.value}")
    filters = {}
    for each in wanted:
        name, _, query = each.partition("=")
        if name not in {database.partition("=")[0] for database in databases}:
            raise ConfigError(f"--filter {each}: DATABASE=QUERY is expected, of a database named")
        try:
            Query.decode(query)
        except PeerError as exc:
            raise ConfigError(f"--filter {each}: {exc}; such as N&iCON;bo is expected") from exc
        filters[name] = query
    return filters


def _end(result: "SessionResult", user: str | None) -> NoReturn:
    """Say how it went, and end."""
    from cardsync.cli.syncml_report import hints, summary  # noqa: PLC0415  # fast --help

    print("\n".join((*summary(result), *hints(result, user))))
    sys.exit(0 if result.ok else 1)


def _run(
    order: "Order",
    databases: list[str],
    content_type: str,
    way: "CarrierSettings",
    *,
    connectionless: bool,
) -> "SessionResult":
    """Run the session; a server that cannot be reached ends the program."""
    from cardsync.fleet.carriers import Carriers, Taps  # noqa: PLC0415  # fast --help
    from cardsync.fleet.syncml_client import synchronize  # noqa: PLC0415
    from cardsync.terminal.databases.sources import open_source  # noqa: PLC0415
    from cardsync.transport.carrier import CarrierError  # noqa: PLC0415

    ended: list[bool] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        """Break off in order, and the next session goes on; a second time ends it at once."""
        if ended:
            _interrupt(number, frame)
        ended.append(True)
        os.write(sys.stderr.fileno(), b"\nbreaking off; once more ends it at once\n")

    signal.signal(signal.SIGINT, interrupt)
    sources = [open_source(each, content_type) for each in databases]
    tell = _tell if sys.stderr.isatty() else _say_nothing
    try:
        with Carriers(way, Taps()) as carriers:
            carrier = carriers.choose(order.url, connectionless=connectionless)
            return synchronize(order, sources, carrier, wants_end=lambda: bool(ended), tell=tell)
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


def _say_nothing(sent: int, received: int, octets: int) -> None:
    """Keep what is no terminal free of it."""


@app.command()
def show(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="XML or WBXML.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file.")] = False,
    secrets: Annotated[bool, typer.Option("--secrets", help="Show credentials too.")] = False,
) -> None:
    """Show recorded messages as readable trees."""
    from cardsync.syncml import show as shown  # noqa: PLC0415  # fast --help

    bad = False
    for path in files:
        octets = _octets(path)
        kind = shown.representation(octets)
        try:
            tree = shown.tree(octets, secrets=secrets)
        except PeerError as error:
            print(f"{path}: {error}", file=sys.stderr)
            bad = True
            continue
        if as_json:
            head = {"file": str(path), "type": kind, "octets": len(octets)}
            print(json.dumps({**head, "message": tree}, ensure_ascii=False))
        else:
            print(f"{path}: {kind}, {len(octets)} octets")
            print("\n".join(shown.lines(tree, 1)))
    sys.exit(1 if bad else 0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _octets(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc


def _text(path: Path) -> str:
    try:
        return _octets(path).decode()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: UTF-8 is expected; octet {exc.start} is none") from exc


def _accounts(user: list[str] | None, path: Path | None) -> dict[str, bytes]:
    """Collect names and passwords from arguments, a file, the environment."""
    places = {"--user": user or [], _USERS: os.environ.get(_USERS, "").splitlines()}
    if path is not None:
        places[str(path)] = _text(path).splitlines()
    return dict(_pair(line, at) for at, lines in places.items() for line in lines if line.strip())


def _pair(line: str, place: str) -> tuple[str, bytes]:
    name, colon, password = line.partition(":")
    if not colon or not name:
        raise ConfigError(f"{place}: a user is expected as NAME:PASSWORD")
    return name, password.encode()


def _account(user: str | None, path: Path | None, scheme: Scheme) -> "auth.Account | None":
    from cardsync.syncml import auth  # noqa: PLC0415

    if user is None:
        return None
    name, colon, password = user.partition(":")
    if not colon and path is not None:
        password = _text(path).rstrip("\n")
    elif not colon and _PASSWORD in os.environ:
        password = os.environ[_PASSWORD]
    elif not colon:
        raise ConfigError(f"--user {user}: a password is expected behind a colon or in {_PASSWORD}")
    return auth.Account(auth.Scheme[scheme.name], name, password.encode())
