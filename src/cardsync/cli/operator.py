"""`cardsync operator`: the operator's side of the network."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardsync.cli import lines
from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from cardsync.operator.gateway import MessageCentre
    from cardsync.operator.server import Operator

app = typer.Typer(help="The network operator: SyncML, cards, campaigns.", no_args_is_help=True)

_JOURNAL_SECONDS = 0.05
_IMAGE_VERSION = (1, 0)
_IMAGE_MACHINE = 1
_PASSWORD = "CARDSYNC_SMPP_PASSWORD"  # noqa: S105  # the name of a variable


@app.callback()
def operator() -> None:
    """Let `serve` be a command of its own; others will stand beside it."""


@app.command()
def serve(
    *,
    home: Annotated[
        Path,
        typer.Option(help="Where master key and database lie.", envvar="CARDSYNC_OPERATOR_HOME"),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of HTTP; 0 takes a free one.")] = 8080,
    dsn: Annotated[
        str | None,
        typer.Option(help="A PostgreSQL of your own.", envvar="CARDSYNC_DSN", show_envvar=True),
    ] = None,
    smsc: Annotated[
        str | None, typer.Option(help=f"HOST:PORT of the message centre; password in {_PASSWORD}.")
    ] = None,
    system_id: Annotated[str, typer.Option(help="Who we are to the message centre.")] = "operator",
    number: Annotated[str, typer.Option(help="Our number, to which cards answer.")] = "2210",
    cards: Annotated[
        Path | None, typer.Option(help="Cards to take in, JSON; - is standard input.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="The policy that every card shall have, TOML.")
    ] = None,
    journal: Annotated[
        bool, typer.Option("--journal", help="Tell what happens, one JSON object a line.")
    ] = False,
) -> None:
    """Serve SyncML at /dm and pages at /; send to cards what they lack."""
    from cardsync.operator import server  # noqa: PLC0415  # fast --help

    centre = None if smsc is None else _centre(smsc, system_id, number)
    made = "[]" if cards is None else _read(cards)
    config = server.OperatorConfig(home, host, port, dsn)
    background: list[Callable[[Operator], Coroutine[Any, Any, None]]] = [
        lambda running: _provision(running, made, policy)
    ]
    if centre is not None:
        background.append(lambda running: _gateway(running, centre))
    if journal:
        background.append(_tell_journal)
    server.run(config, background=background)


def _centre(address: str, system_id: str, number: str) -> "MessageCentre":
    """Read HOST:PORT; the password comes from the environment, which is in no process list."""
    from cardsync.operator.gateway import MessageCentre  # noqa: PLC0415

    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ConfigError(f"--smsc {address}: HOST:PORT is expected, such as 127.0.0.1:2775")
    password = os.environ.get(_PASSWORD, "")
    if not password:
        raise ConfigError(f"--smsc: the password of the message centre is expected in {_PASSWORD}")
    return MessageCentre(host, int(port), system_id, password, number)


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text()
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc


async def _provision(running: "Operator", cards: str, policy: Path | None) -> None:
    """Take the cards in, owe them what they lack, and say that all is ready."""
    await asyncio.to_thread(_take_in, running, cards, policy)
    lines.write("ready", {"url": running.url})


def _take_in(running: "Operator", cards: str, policy: Path | None) -> None:
    from cardsync.operator import campaigns, cardfile  # noqa: PLC0415
    from cardsync.ota.application import ApplicationImage  # noqa: PLC0415
    from cardsync.policy.bound import CardLimits  # noqa: PLC0415

    now = datetime.now(UTC)
    for card in cardfile.read(cards):
        running.cards.import_card(card.iccid, card.imsi, card.msisdn, card.key_sets, now)
    if policy is None:
        return
    image = ApplicationImage(_IMAGE_VERSION, _IMAGE_MACHINE, "device management")
    limits = CardLimits(kilobytes_a_day=65_535, writes_a_day=65_535)
    with running.database.transaction() as connection:
        application = campaigns.publish_image(connection, image, now)
        digest = campaigns.publish_policy(connection, _read(policy), str(policy), now, limits)
    for iccid in running.cards.iccids():
        with running.database.transaction() as connection:
            had = campaigns.content(connection, iccid).known.policy is not None
            owed = campaigns.want(
                connection, iccid, now, application=application, policy=digest,
                parameters={"server": running.syncml_url},
            )  # fmt: skip
            if had and owed:
                campaigns.trigger(connection, iccid, "sync-now", now)


async def _gateway(running: "Operator", centre: "MessageCentre") -> None:
    from cardsync.operator import gateway  # noqa: PLC0415

    await gateway.run(running.database, running.cards, centre)


async def _tell_journal(running: "Operator") -> None:
    """Print what is written into the journal from now on."""
    from cardsync.operator.journal import START, Position, journal_since  # noqa: PLC0415

    def read(after: Position) -> Position:
        with running.database.transaction() as connection:
            entries = journal_since(connection, after)
        for entry in entries:
            if after != START or entry.at >= started:
                step = {"step": "A", "who": "operator > card", "what": entry.what,
                        "octets": entry.octets, "milliseconds": entry.milliseconds}  # fmt: skip
                lines.write("step", step)
        return entries[-1].position if entries else after

    started, position = datetime.now(UTC), START
    while True:
        position = await asyncio.to_thread(read, position)
        await asyncio.sleep(_JOURNAL_SECONDS)
