"""`cardsync operator`: the operator's side of the network."""

import asyncio
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardsync.cli import accounts, certificates, keeping, lines
from cardsync.cli.addresses import SMPP_PASSWORD, host_and_port, message_centre
from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from cardsync.operator.server import Background, Operator
    from cardsync.transport.doors import Doors
    from cardsync.transport.message_centre import MessageCentre

app = typer.Typer(help="The network operator: SyncML, cards, campaigns.", no_args_is_help=True)

_JOURNAL_SECONDS = 0.05
_USUAL_REPORTS = 9000
_IMAGE_VERSION = (1, 0)
_IMAGE_MACHINE = 1


@app.callback()
def operator() -> None:
    """Let `serve` be a command of its own; others will stand beside it."""


app.command()(keeping.account)
app.command()(keeping.restore)

_Host = Annotated[str, typer.Option(help="Address to listen on.")]
_Port = Annotated[int, typer.Option(help="Port of HTTP; 0 takes a free one.")]
_Descriptor = Annotated[
    int | None, typer.Option("--listen-fd", help="A listening socket in place of the port.")
]
_Reports = Annotated[
    str | None, typer.Option(help="HOST:PORT for what cards report by a channel of their own.")
]
_ReportsDescriptor = Annotated[
    int | None, typer.Option("--reports-fd", help="A listening socket in place of that.")
]
_Smsc = Annotated[
    str | None, typer.Option(help=f"HOST:PORT of the message centre; password in {SMPP_PASSWORD}.")
]
_SystemId = Annotated[str, typer.Option(help="Who we are to the message centre.")]
_Number = Annotated[str, typer.Option(help="Our number, to which cards answer.")]
_Cards = Annotated[Path | None, typer.Option(help="Cards to take in, JSON; - is standard input.")]
_Policy = Annotated[Path | None, typer.Option(help="The policy that every card shall have, TOML.")]
_Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter", metavar="NAME=VALUE", help="A parameter of the policy for every card."
    ),
]
_Trial = Annotated[
    bool, typer.Option("--trial", help="Cards for trying: no limit on their wear and traffic.")
]
_Journal = Annotated[
    bool, typer.Option("--journal", help="Tell what happens, one JSON object a line.")
]


_Keep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WHAT=DAYS",
        help="For how long to keep journal, packets, reports, sessions, history; or WHAT=forever.",
    ),
]
_Wsp = Annotated[
    str | None, typer.Option(help="HOST[:PORT] of WSP; without connection at the port below.")
]
_Obex = Annotated[str | None, typer.Option(help="HOST[:PORT] of OBEX over TCP.")]


@app.command()
def serve(
    *,
    home: keeping.Home,
    host: _Host = "127.0.0.1",
    port: _Port = 8080,
    listen_fd: _Descriptor = None,
    dsn: keeping.Dsn = None,
    reports: _Reports = None,
    reports_fd: _ReportsDescriptor = None,
    smsc: _Smsc = None,
    system_id: _SystemId = "operator",
    number: _Number = "2210",
    cards: _Cards = None,
    policy: _Policy = None,
    parameter: _Parameters = None,
    trial: _Trial = False,
    journal: _Journal = False,
    keep: _Keep = None,
    wsp: _Wsp = None,
    obex: _Obex = None,
    certificate: certificates.Chain = None,
    key: certificates.Key = None,
    own: accounts.Server = None,
    own_file: accounts.ServerFile = None,
    own_scheme: accounts.ServerScheme = accounts.Scheme.MD5,
) -> None:
    """Serve SyncML at /dm and pages at /; send to cards what they lack."""
    from cardsync.operator import server  # noqa: PLC0415  # fast --help

    centre = None if smsc is None else message_centre(smsc, system_id, number)
    listening = _listen(reports, reports_fd)
    wish = _Wish(
        "[]" if cards is None else _read(cards), policy, _parameters(parameter or [], policy),
        trial=trial, alone=dsn is None, number=number if centre else "", reports=_where(listening),
    )  # fmt: skip
    config = server.OperatorConfig(
        home, host, port, dsn, None, listen_fd, _doors(wsp, obex),
        certificates.read(certificate, key), accounts.SERVER.read(own, own_file, own_scheme),
    )  # fmt: skip
    server.run(config, background=_beside(wish, centre, listening, keep or [], journal=journal))


def _beside(
    wish: "_Wish",
    centre: "MessageCentre | None",
    listening: socket.socket | None,
    keep: list[str],
    *,
    journal: bool,
) -> "list[Background]":
    """Give what runs beside the server."""
    from cardsync.operator import housekeeping, listener  # noqa: PLC0415

    retention = housekeeping.Retention.read(keep)
    tell = partial(lines.write, "forgotten")
    found: list[Background] = [wish.provision, housekeeping.background(retention, tell)]
    if centre is not None:
        found.append(lambda running: _gateway(running, centre))
    if listening is not None:
        found.append(listener.background(listening))
    if journal:
        found.append(_tell_journal)
    return found


def _doors(wsp: str | None, obex: str | None) -> "Doors":
    from cardsync.transport.doors import Doors  # noqa: PLC0415

    return Doors.read(wsp, obex)


def _listen(reports: str | None, descriptor: int | None) -> socket.socket | None:
    """Listen for reports before anything else is started: what cannot be is said at once."""
    from cardsync.operator import listener  # noqa: PLC0415

    if descriptor is not None:
        inherited = socket.socket(fileno=descriptor)
        inherited.set_inheritable(False)
        return inherited
    if reports is None:
        return None
    return listener.listen(*host_and_port("--reports", reports, _USUAL_REPORTS))


def _where(listening: socket.socket | None) -> str:
    """Give the address that cards are told; none for one that is every address of a machine."""
    if listening is None:
        return ""
    host, port = listening.getsockname()[:2]
    if ip_address(host).is_unspecified:
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parameters(given: list[str], policy: Path | None) -> dict[str, str]:
    """Read NAME=VALUE; what a policy makes of it is seen when the policy is."""
    pairs = [text.partition("=") for text in given]
    for text, (name, equals, _) in zip(given, pairs, strict=True):
        if not equals or not name:
            raise ConfigError(f"--parameter {text}: NAME=VALUE is expected, such as interval=12h")
    if given and policy is None:
        raise ConfigError("--parameter: it is one of a policy; name that with --policy")
    return {name: value for name, _, value in pairs}


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text()
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc


@dataclass(frozen=True, slots=True)
class _Wish:
    """What shall be so when the operator serves: its cards, and the policy that they have.

    `alone` says that no other operator works on this database. `number` and `reports` are where
    cards report by short message and by channel, empty where they cannot.
    """

    cards: str
    policy: Path | None
    parameters: dict[str, str]
    trial: bool
    alone: bool
    number: str
    reports: str

    async def provision(self, running: "Operator") -> None:
        """Take the cards in, owe them what they lack, and say that all is ready."""
        await asyncio.to_thread(self._provision, running)
        reports = {"reports": self.reports} if self.reports else {}
        lines.write("ready", {"url": running.url, **running.doors, **reports})

    def _provision(self, running: "Operator") -> None:
        from cardsync.operator import cardfile, outbox  # noqa: PLC0415

        now = datetime.now(UTC)
        for card in cardfile.read(self.cards):
            running.cards.import_card(card.iccid, card.imsi, card.msisdn, card.key_sets, now)
        if self.alone:
            with running.database.transaction() as connection:
                outbox.resume(connection, now)
        if self.policy is not None:
            self._want(running, self.policy, now)

    def _want(self, running: "Operator", policy: Path, now: datetime) -> None:
        """Want each card to have the application and the policy; a changed one is set off."""
        from cardsync.operator import campaigns  # noqa: PLC0415
        from cardsync.ota.application import ApplicationImage  # noqa: PLC0415
        from cardsync.policy.bound import CardLimits  # noqa: PLC0415

        image = ApplicationImage(_IMAGE_VERSION, _IMAGE_MACHINE, "device management")
        limits = CardLimits(kilobytes_a_day=65_535, writes_a_day=65_535) if self.trial else None
        text = _read(policy)
        with running.database.transaction() as connection:
            application = campaigns.publish_image(connection, image, now)
            digest = campaigns.publish_policy(connection, text, str(policy), now, limits)
            own = {"server"} & campaigns.parameter_names(connection, digest)
        given = {
            **dict.fromkeys(own, running.syncml_url),
            **self._ways(running, digest),
            **self.parameters,
        }
        for iccid in running.cards.iccids():
            with running.database.transaction() as connection:
                had = campaigns.may_have_policy(connection, iccid)
                owed = campaigns.want(
                    connection,
                    iccid,
                    now,
                    application=application,
                    policy=digest,
                    parameters=given,
                )
                if had and owed:
                    campaigns.trigger(connection, iccid, "sync-now", now)

    def _ways(self, running: "Operator", digest: str) -> dict[str, str]:
        """Give the ways to report to us, for the parameters that the policy leaves open."""
        from cardsync.operator import campaigns  # noqa: PLC0415
        from cardsync.policy.program import Program  # noqa: PLC0415
        from cardsync.policy.values import NOWHERE  # noqa: PLC0415

        with running.database.transaction() as connection:
            program = Program.decode(campaigns.artifact(connection, digest).data)
        own = {
            "report_number": self.number,
            "report_address": self.reports,
            "report_page": running.page_url,
        }
        empty = [one.name for one in program.parameters if one.default == NOWHERE]
        return {name: own[name] for name in empty if own.get(name)}


async def _gateway(running: "Operator", centre: "MessageCentre") -> None:
    from cardsync.operator import gateway  # noqa: PLC0415

    await gateway.run(running.database, running.cards, centre)


async def _tell_journal(running: "Operator") -> None:
    """Print what is written into the journal from now on."""
    import psycopg  # noqa: PLC0415

    from cardsync.operator.journal import PAGE, START, Entry, journal_since  # noqa: PLC0415

    def read() -> list[Entry] | None:
        try:
            with running.database.transaction() as connection:
                return journal_since(connection, position)
        except psycopg.OperationalError:
            return None  # away: what is written meanwhile is read later

    started, position, is_new = datetime.now(UTC), START, False
    while True:
        entries = await asyncio.to_thread(read)
        for entry in entries or ():
            position = entry.position
            if is_new or entry.at >= started:
                step = {"step": "A", "who": "operator > card", "what": entry.what,
                        "octets": entry.octets, "milliseconds": entry.milliseconds}  # fmt: skip
                lines.write("step", step)
        # Behind the first page that is not full everything is new, whatever the clock says.
        is_new |= entries is not None and len(entries) < PAGE
        await asyncio.sleep(_JOURNAL_SECONDS)
