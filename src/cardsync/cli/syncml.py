"""`cardsync syncml`: a server for folders and tables, and a reader of messages."""

import json
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from cardsync.cli import accounts, certificates, inputs
from cardsync.cli.accounts import Scheme
from cardsync.errors import PeerError

if TYPE_CHECKING:
    from cardsync.fleet.syncml_http import HttpServer
    from cardsync.syncml.events import Event
    from cardsync.terminal.databases.sources import Source

app = typer.Typer(help="SyncML by itself: serve, sync, notify, show.", no_args_is_help=True)

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


User = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME:PASSWORD", help="Who may come in; nobody named: everyone."),
]
Users = Annotated[
    Path | None,
    typer.Option(help=f"A file with NAME:PASSWORD lines, or such lines in {accounts.USERS}."),
]

Asked = Annotated[Scheme, typer.Option("--auth", help="What users are asked for.")]


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
    user: User = None,
    users: Users = None,
    scheme: Asked = Scheme.MD5,
    server: accounts.Server = None,
    server_password_file: accounts.ServerFile = None,
    server_scheme: accounts.ServerScheme = Scheme.MD5,
    rule: Annotated[Rule, typer.Option(help="Who wins a conflict.")] = Rule.CLIENT,
    max_message: MaxMessage = 262_144,
    content_type: ContentType = "*/*",
    allow_emptying: Emptying = False,
    wsp: Wsp = None,
    obex: Obex = None,
    certificate: certificates.Chain = None,
    key: certificates.Key = None,
) -> None:
    """Serve SyncML at http://HOST:PORT/syncml, XML and WBXML, 1.0 to 1.2."""
    from cardsync.fleet.syncml_doors import beside  # noqa: PLC0415  # fast --help
    from cardsync.fleet.syncml_http import HttpServer  # noqa: PLC0415
    from cardsync.fleet.syncml_server import Settings, SyncmlServer  # noqa: PLC0415
    from cardsync.syncml import auth, datastore  # noqa: PLC0415
    from cardsync.terminal.databases.indexed import SafetyStop  # noqa: PLC0415
    from cardsync.terminal.databases.sources import open_sources  # noqa: PLC0415
    from cardsync.transport.doors import Doors  # noqa: PLC0415

    doors = Doors.read(wsp, obex)
    rules = dict(zip(Rule, datastore.Rule, strict=True))
    stop, wanted = SafetyStop(True, allow_emptying), auth.Scheme[scheme.name]
    shown = accounts.SERVER.read(server, server_password_file, server_scheme)
    peers = accounts.users(user, users)
    settings = Settings(peers, wanted, rules[rule], max_message, stop, shown)
    sources = open_sources(databases, content_type, "is served")
    answer = SyncmlServer(sources, settings, _complain).serve
    http = HttpServer(host, port, answer, certificate=certificates.read(certificate, key))
    _serve(http, beside(doors, answer), sources)


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
        signal.signal(number, interrupt)
    with suppress(KeyboardInterrupt):
        serve_forever(0.2)


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
        octets = inputs.octets(path)
        kind = shown.representation(octets)
        head = {"file": str(path), "type": kind, "octets": len(octets)}
        try:
            for tree in shown.trees(octets, secrets=secrets):
                if as_json:
                    print(json.dumps({**head, "message": tree}, ensure_ascii=False))
                else:
                    print(f"{path}: {kind}, {len(octets)} octets")
                    print("\n".join(shown.lines(tree, 1)))
        except PeerError as error:
            print(f"{path}: {error}", file=sys.stderr)
            bad = True
    sys.exit(1 if bad else 0)


def interrupt(number: int, frame: FrameType | None) -> None:
    """End a program at once, by a signal."""
    del number, frame
    raise KeyboardInterrupt
