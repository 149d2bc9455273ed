"""The mobile equipment: power-on, profile, polling, the fetch loop, events, short messages.

It knows its card by the APDU interface alone (`CardLink`) and does what the card's commands say,
by a table. A REQUEST SYNCHRONIZATION goes to the agent, which accepts or refuses it at once.
Time comes in as an argument; short messages to be sent wait in `outgoing`.
"""

from dataclasses import replace
from typing import Protocol

from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.octets.reader import Reader
from cardsync.octets.semi import unswapped
from cardsync.terminal.handset import Handset
from cardsync.terminal.proactive import Orders, Proactive, Surroundings
from cardsync.toolkit import envelope, information
from cardsync.toolkit.codes import EventCode
from cardsync.toolkit.objects import DataObject
from cardsync.toolkit.profile import TerminalProfile
from cardsync.toolkit.session import TerminalSession

_MOST_COMMANDS = 64  # in one round of fetching: a card that never stops is left to its next poll


class CardLink(Protocol):
    """The way to a card: reset gives the ATR, transact takes an APDU and gives its response."""

    def reset(self) -> bytes:
        """Reset the card and give its answer to reset."""

    def transact(self, apdu: bytes) -> bytes:
        """Give the response to a command APDU."""


class Equipment:
    """A terminal with one card. `profile` is what it claims to be able to do."""

    def __init__(
        self,
        link: CardLink,
        handset: Handset,
        agent: Orders,
        surroundings: Surroundings,
        profile: TerminalProfile,
    ) -> None:
        self.iccid = ""
        self.imsi = ""
        self._link = link
        self._profile = profile
        self._session = TerminalSession()
        self._proactive = Proactive(handset, agent, surroundings)

    @property
    def surroundings(self) -> Surroundings:
        """What the terminal tells the card of itself."""
        return self._proactive.surroundings

    @property
    def poll_seconds(self) -> float:
        """How often the card wants to be polled."""
        return self._proactive.poll_seconds

    def outgoing(self) -> list[bytes]:
        """Give the short messages (SMS-SUBMIT) that the card wants to have sent."""
        waiting, self._proactive.outgoing = self._proactive.outgoing, []
        return waiting

    def power_on(self, now: float, local_time: information.DateTime | None = None) -> None:
        """Reset the card, read what a terminal reads, send the profile, do what the card asks."""
        self._proactive.now, self._proactive.local_time = now, local_time
        self._session.reset()
        self._proactive.reset()
        self._link.reset()
        self._read_card()
        profile = CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=self._profile.octets)
        self._exchange(profile)

    def _read_card(self) -> None:
        """Read EF.ICCID, then the USIM by its AID from EF.DIR and its EF.UST."""
        self._select("3F00")
        self._select("2FE2")
        found = self._transact(CommandApdu(0x00, Ins.READ_BINARY, le=10))
        self.iccid = unswapped(found.data) if found.sw == SW.OK else ""
        self._select("2F00")
        record = self._transact(CommandApdu(0x00, Ins.READ_RECORD, 1, 4, le=38))
        aid = _aid_of(record.data) if record.sw == SW.OK else b""
        self._transact(CommandApdu(0x00, Ins.SELECT, 4, 4, aid, 256))
        self._select("6F38")
        self._transact(CommandApdu(0x00, Ins.READ_BINARY, le=16))

    def _select(self, identifier: str) -> None:
        self._transact(CommandApdu(0x00, Ins.SELECT, 0, 4, bytes.fromhex(identifier), 256))

    def poll(self, now: float) -> None:
        """Send STATUS, as the card asked for with POLL INTERVAL."""
        self._proactive.now = now
        self._exchange(CommandApdu(0x80, Ins.STATUS, 0, 0x0C))

    def short_message(self, tpdu: bytes, now: float) -> bytes:
        """Pass an SMS-DELIVER for the card to it; give the user data of the report, if any."""
        self._proactive.now = now
        return self._envelope(envelope.sms_pp_download(tpdu)).data

    def event(self, code: int, *found: DataObject, now: float) -> bool:
        """Tell the card of an event if it asked for it; say whether it was told."""
        self._proactive.now = now
        if code not in self._proactive.event_list:
            return False
        return self._envelope(envelope.event_download(code, *found)).sw1 in {0x90, 0x91}

    def status_event(self, told: envelope.Envelope, now: float) -> bool:
        """Bring the end of a synchronization to the card; say whether the card took it."""
        self._proactive.now = now
        return self._envelope(told).sw1 in {0x90, 0x91}

    def choose(self, identifier: int, now: float) -> None:
        """Tell the card which item of its menu the user chose."""
        self._proactive.now = now
        self._envelope(envelope.menu_selection(identifier))

    def change_language(self, language: str, now: float) -> bool:
        """Change the language of the terminal; the card hears of it if it wants to."""
        self._proactive.surroundings = replace(self.surroundings, language=language)
        told = information.Language(language)
        return self.event(EventCode.LANGUAGE_SELECTION, told, now=now)

    def next_timer(self) -> float | None:
        """Give the time at which the next timer of the card runs out."""
        return min([due for due, _ in self._proactive.timers.values()], default=None)

    def handle_timer(self, now: float) -> None:
        """Tell the card of the timers that have run out."""
        self._proactive.now = now
        for identifier, (due, started) in sorted(self._proactive.timers.items()):
            if due <= now:
                del self._proactive.timers[identifier]
                elapsed = min(int(now - started), 24 * 3600)
                self._envelope(envelope.timer_expiration(identifier, elapsed))

    def _envelope(self, told: envelope.Envelope) -> ResponseApdu:
        return self._exchange(CommandApdu(0x80, Ins.ENVELOPE, data=told.encode(), le=256))

    def _exchange(self, apdu: CommandApdu) -> ResponseApdu:
        """Give an instruction to the card, then do all that it asks for."""
        response = self._transact(apdu)
        self._session.receive_data(response)
        for _ in range(_MOST_COMMANDS):
            following = self._session.data_to_send()
            if following is None:
                break
            self._session.receive_data(self._transact(following))
            for fetched in self._session.events():
                answer = self._proactive.perform(fetched.octets)
                if answer is not None:
                    self._session.respond(answer)
            if self._proactive.reset_asked:
                self.power_on(self._proactive.now, self._proactive.local_time)
                break
        return response

    def _transact(self, apdu: CommandApdu) -> ResponseApdu:
        return ResponseApdu.decode(self._link.transact(apdu.encode()))


def _aid_of(record: bytes) -> bytes:
    """Find the AID in a record of EF.DIR: template 61, tag 4F. TS 102 221 clause 13.1."""
    reader = Reader(record)
    if len(reader) < 4 or reader.uint8() != 0x61:
        return b""
    reader.uint8()
    return reader.octets(reader.uint8()) if reader.uint8() == 0x4F else b""
