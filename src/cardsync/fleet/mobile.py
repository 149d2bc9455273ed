"""A mobile on the demo's network: a terminal with its card, and the message centre it belongs to.

One process, one thread for card and terminal, another for the synchronization that runs. What
happens is told step by step to `report`, and written into the capture. The radio is simulated;
every octet that crosses it, the card's contacts and the network is real.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from cardsync.card.slot import CardSlot
from cardsync.fleet.capture import Capture
from cardsync.fleet.carriers import Carriers, Settings, Taps
from cardsync.fleet.legacy import CHARACTERS, Character, Kind, Phone, Unaware, open_page
from cardsync.fleet.smsc import Account, Smsc
from cardsync.fleet.smsc_queues import RadioSilent, RpError
from cardsync.fleet.transcript import Step, appended, decided, describe
from cardsync.octets.apdu import CommandApdu, ResponseApdu
from cardsync.policy.values import EventKind
from cardsync.syncml import record
from cardsync.syncml.devinf import ContentType, DataStore, DevInf
from cardsync.terminal.agent import Agent, Identity
from cardsync.terminal.channels import Channels
from cardsync.terminal.databases import collectors
from cardsync.terminal.databases.management import ManagementDatabase, Order
from cardsync.terminal.databases.shelf import Shelf
from cardsync.terminal.equipment import CardLink, Equipment
from cardsync.terminal.links import sockets
from cardsync.terminal.links.shared import SharedLink
from cardsync.terminal.proactive import Surroundings
from cardsync.toolkit.browser import BrowserTerminationCause
from cardsync.toolkit.codes import EventCode
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.information import DateTime
from cardsync.toolkit.synchronization import SynchronizationStatus
from cardsync.transport.sms import DeliverReport
from cardsync.transport.user_data import UserData

_TICK = 0.2  # seconds between looks at timers and polls
_LETTERS = 2  # of a language, ISO 639-1


@dataclass(frozen=True, slots=True)
class MobileConfig:
    """Where the mobile keeps its things, who it is, and how the operator binds to its network."""

    home: Path
    imei: str
    msisdn: str
    short_code: str
    system_id: str
    password: str = field(repr=False)
    smsc_descriptor: int
    """A listening socket for the message centre."""
    kind: Kind = Kind.AGENT
    pace: float = 1.0
    """Seconds that go by for the card, its timers and polls, in one of ours."""
    max_msg_size: int = 65536
    live: bool = False
    """Whether APDU exchanges go to UDP port 4729 as they happen."""
    gateway: str = ""
    """A WAP gateway, HOST or HOST:PORT."""
    authorities: str = ""
    """A PEM file of the authorities whose certificates are trusted in place of the usual ones."""
    root: str = "/"
    """The machine whose inventory the terminal has; `/` is this one."""


@dataclass(frozen=True, slots=True)
class Synchronized:
    """One synchronization has ended and the card has heard of it."""

    general: int
    result: str
    milliseconds: float
    round_trips: int
    octets_sent: int
    octets_received: int
    sent: int
    received: int
    parameters: int
    applications: int
    digest: str


class Mobile:
    """Runs until `stop` is set. `report` hears each step, `done` each synchronization."""

    def __init__(
        self,
        config: MobileConfig,
        report: Callable[[Step], None],
        done: Callable[[Synchronized], None],
    ) -> None:
        home = config.home
        self._config, self._report, self._done = config, report, done
        told = Capture(home / "trace.pcapng", home / "messages", live=config.live)
        self._capture = told
        self._slot = CardSlot(home / "card.image")
        self._database = ManagementDatabase(home / "devman.sqlite")
        self._carriers = Carriers(
            Settings(config.gateway, config.authorities),
            Taps(told.http, told.wsp, told.wsp_connectionless, told.obex),
        )
        shared = SharedLink(self)
        self._agent = Agent(
            Identity(config.imei, device_information(config.imei)),
            self._database,
            self._carriers.by_transport,
            time.time,
            max_msg_size=config.max_msg_size,
            heard=self._message,
            sources=Shelf(home, shared.transact),
        )
        character = CHARACTERS[Kind(config.kind)]
        self._handset = Phone(browser=character.browser)
        self._equipment = self._terminal(shared, character)
        self._decided_at = 0.0
        self._running: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._explained: object = None
        self._journal: tuple[str, ...] = ()
        self._pages: set[asyncio.Task[None]] = set()

    def _terminal(self, link: CardLink, character: Character) -> Equipment:
        return Equipment(
            link,
            self._handset,
            self._agent if character.knows else Unaware(character.answer),
            Surroundings(self._config.imei),
            character.profile,
            Channels(sockets.connect if character.channels else None),
        )

    async def run(
        self,
        stop: asyncio.Event,
        hear: Callable[[], Awaitable[bytes]],
        listening: Callable[[int], None],
    ) -> None:
        """Open the network, power on at the first line that is heard, and live until `stop`.

        `listening` hears the port of the message centre; further lines are what the user does.
        """
        config = self._config
        account = Account(config.system_id, config.password, (config.short_code,))
        listener = socket.socket(fileno=config.smsc_descriptor)
        async with Smsc([account], listener=listener, tap=self._capture.smpp) as smsc:
            self._collect()
            listening(smsc.port)
            await hear()
            self._agent.interrupt()
            self._equipment.power_on(self._now(), local_time())
            smsc.attach(config.msisdn, lambda tpdu: self._radio(smsc, tpdu))
            user = asyncio.create_task(self._obey(smsc, hear))
            await self._live(smsc, stop)
            user.cancel()
            if self._running is not None:
                await self._running
            await asyncio.gather(*self._pages)
        self._carriers.close()
        self._database.close()
        self._capture.close()

    def _now(self) -> float:
        """Give the time of the card."""
        return time.monotonic() * self._config.pace

    async def _live(self, smsc: Smsc, stop: asyncio.Event) -> None:
        polled = self._now()
        while not stop.is_set():
            await self._after(smsc)
            try:
                await asyncio.wait_for(stop.wait(), _TICK)
            except TimeoutError:
                now = self._now()
                self._equipment.handle_channels(now)
                timer = self._equipment.next_timer()
                if timer is not None and timer <= now:
                    self._equipment.handle_timer(now)
                if now - polled >= self._equipment.poll_seconds:
                    polled = now
                    self._equipment.poll(now)

    async def _obey(self, smsc: Smsc, hear: Callable[[], Awaitable[bytes]]) -> None:
        """Do what the user does: `choose 1` from the menu, `language fr`."""
        while line := await hear():
            verb, _, argument = line.decode().strip().partition(" ")
            now = self._now()
            if verb == "choose" and argument.isdigit():
                self._equipment.choose(int(argument), now)
            elif verb == "language" and len(argument) == _LETTERS:
                self._equipment.change_language(argument, now)
            await self._after(smsc)

    async def _radio(self, smsc: Smsc, tpdu: bytes) -> bytes | None:
        """Take an SMS-DELIVER from the network; give its report."""
        user_data = self._equipment.short_message(tpdu, self._now())
        await self._after(smsc)
        if not user_data:
            return None
        content = UserData.decode(user_data, len(user_data), has_header=True)
        return DeliverReport(content, protocol=0x7F, coding=0xF6).encode()

    async def _after(self, smsc: Smsc) -> None:
        """Do what the card's last commands led to: short messages, results, synchronizations."""
        await self._send(smsc)
        self._bring_results()
        if self._running is not None and self._running.done():
            self._running.result()
            self._running = None
        if self._running is None:
            for order in self._agent.waiting()[:1]:
                self._running = asyncio.create_task(self._synchronize(smsc, order))

    async def _send(self, smsc: Smsc) -> None:
        """Send the card's short messages; of one that is refused it hears nothing."""
        for tpdu in self._equipment.outgoing():
            try:
                await smsc.submit(self._config.msisdn, tpdu)
            except (RpError, RadioSilent) as exc:
                self._report(Step("D", "network", f"a short message was not taken: {exc}"))
        for url in self._handset.pages:
            task = asyncio.create_task(self._browse(smsc, url))
            self._pages.add(task)
            task.add_done_callback(self._pages.discard)
        self._handset.pages.clear()

    async def _browse(self, smsc: Smsc, url: str) -> None:
        """Open a page; the user closes it at once. A token in the address is told nobody."""
        started = time.monotonic()
        status = await asyncio.to_thread(open_page, url)
        page, _, _ = url.partition("?")
        what = f"page {page}: {f'status {status}' if status else 'no answer'}"
        elapsed = (time.monotonic() - started) * 1000
        self._report(Step("E", "browser > operator", what, 0, elapsed))
        cause = BrowserTerminationCause(0 if status == HTTPStatus.OK else 1)
        self._equipment.event(EventCode.BROWSER_TERMINATION, cause, now=self._now())
        await self._after(smsc)

    async def _synchronize(self, smsc: Smsc, order: Order) -> None:
        await asyncio.to_thread(self._agent.run, order)
        self._bring_results()
        await self._send(smsc)

    def _bring_results(self) -> None:
        """Tell the card how far its orders are, and of each end that it has not heard of."""
        card = self._equipment.iccid
        for told in self._agent.progress(card):
            self._equipment.status_event(told, self._now())
        for reference, told in self._agent.owed(card):
            taken = self._equipment.status_event(told, self._now())
            self._agent.told(card, reference, taken=taken)
            if taken:
                self._done(self._synchronized(told))

    def _synchronized(self, told: Envelope) -> Synchronized:
        status, result = SynchronizationStatus.of(told), self._agent.result
        databases = result.databases if result else ()
        parameters, applications = self._database.count()
        return Synchronized(
            status.result.general,
            status.result.value().hex().upper(),
            (time.monotonic() - self._decided_at) * 1000,
            result.round_trips if result else 0,
            result.octets_sent if result else 0,
            result.octets_received if result else 0,
            sum(each.sent.total for each in databases),
            sum(each.received.total for each in databases),
            parameters,
            applications,
            self._database.digest(),
        )

    def _collect(self) -> None:
        started = time.monotonic()
        updated = self._database.update(
            collectors.collect(self._config.imei, self._config.root), full=True
        )
        parameters, applications = self._database.count()
        self._report(
            Step(
                "B",
                "terminal",
                f"read this machine: {parameters} parameters, {applications} applications "
                f"({updated.added} new, {updated.changed} changed, {updated.removed} gone)",
                0,
                (time.monotonic() - started) * 1000,
            )
        )

    # The link to the card: every exchange is captured and told.

    def reset(self) -> bytes:
        """Reset the card."""
        return self._slot.reset()

    def transact(self, apdu: bytes) -> bytes:
        """Exchange an APDU with the card."""
        started = time.monotonic()
        response = self._slot.transact(apdu)
        elapsed = (time.monotonic() - started) * 1000
        command, answer = CommandApdu.decode(apdu), ResponseApdu.decode(response)
        self._capture.apdu(command, answer)
        step = describe(command, answer, elapsed)
        if step is not None:
            self._report(step)
        self._explain(started)
        return response

    def _explain(self, started: float) -> None:
        """Tell of a decision of the card, its reasons and what came of it, when there is one."""
        applet = self._slot.card.applet
        reasons = applet.reasons
        before, self._journal = self._journal, applet.journal
        if reasons is self._explained:
            for line in appended(before, self._journal):
                self._report(Step("D", "card", line))
            return
        self._explained = reasons
        fired = any(one.fired and one.event.kind is not EventKind.SYNCHRONIZED for one in reasons)
        if fired:
            self._decided_at = started
        for line in decided(reasons, self._journal):
            self._report(Step("C", "card", line))

    def _message(self, kind: str, octets: bytes) -> None:
        """Capture a SyncML message and tell of it."""
        self._capture.message(kind, octets)
        now = time.monotonic()
        if kind == "request":
            self._asked_at = now
            self._report(Step("E", "terminal > operator", "SyncML message", len(octets)))
        else:
            elapsed = (now - self._asked_at) * 1000
            self._report(Step("E", "operator > terminal", "SyncML message", len(octets), elapsed))


def device_information(imei: str) -> DevInf:
    """Describe this terminal to a SyncML server: one datastore, `devman`.

    Properties are not listed, which would be most of a first message: the version of their
    content type says them.
    """
    kind = ContentType(record.CONTENT_TYPE, record.CONTENT_VERSION)
    store = DataStore("devman", kind, kind, tuple(range(1, 7)))
    return DevInf(
        "1.2", f"IMEI:{imei}", "phone", (store,), manufacturer="cardsync",
        model="software terminal", number_of_changes=True, large_objects=True,
    )  # fmt: skip


def local_time() -> DateTime:
    """Give the local time as the card hears it; the zone in quarters of an hour."""
    now = datetime.now().astimezone()
    offset = now.utcoffset()
    quarters = int(offset.total_seconds() // 900) if offset else 0
    tens, units = divmod(abs(quarters), 10)
    zone = units << 4 | tens | (0x08 if quarters < 0 else 0)
    return DateTime(now.year, now.month, now.day, now.hour, now.minute, now.second, zone)
