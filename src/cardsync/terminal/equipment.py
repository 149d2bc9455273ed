"""The mobile equipment: power-on, profile, polling, the fetch loop, events, short messages.

It knows its card by the APDU interface alone (`CardLink`) and does what the card's commands say,
by a table; whatever the card answers, it neither fails nor goes on for ever. A REQUEST
SYNCHRONIZATION goes to the agent, which accepts or refuses it at once. Time comes in as an
argument; short messages to be sent wait in `outgoing`.
"""

from dataclasses import replace
from typing import Protocol

from cardsync.errors import PeerError
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.terminal.access import Access, Usim
from cardsync.terminal.channels import Channels
from cardsync.terminal.handset import Handset
from cardsync.terminal.proactive import Orders, Proactive, Surroundings
from cardsync.toolkit import envelope, information
from cardsync.toolkit.codes import EventCode
from cardsync.toolkit.objects import DataObject
from cardsync.toolkit.profile import TerminalProfile
from cardsync.toolkit.session import TerminalSession
from cardsync.transport.sms import Deliver

_MOST_COMMANDS = 64  # in one round of fetching: a card that never stops is left to its next poll
_MOST_RESETS = 2  # in one round, that the card asks for
_LONGEST_TPDU = 176  # of an SMS-DELIVER. TS 23.040 clause 9.2.2.1
_LONGEST_TIMER = 24 * 3600
_TAKEN = {0x90, 0x91}


class CardLink(Protocol):
    """The way to a card: reset gives the ATR, transact takes an APDU and gives its response."""

    def reset(self) -> bytes:
        """Reset the card and give its answer to reset."""

    def transact(self, apdu: bytes) -> bytes:
        """Give the response to a command APDU."""


class Equipment:
    """A terminal with one card. `profile` is what it claims to be able to do.

    `access` is how it works with the card: as a USIM, a SIM, or an application by its AID.

    `iccid` and `imsi` are digits as the card has them, empty where it does not say.
    """

    def __init__(
        self,
        link: CardLink,
        handset: Handset,
        agent: Orders,
        surroundings: Surroundings,
        profile: TerminalProfile,
        channels: Channels | None = None,
        access: Access | None = None,
    ) -> None:
        self.iccid = ""
        self.imsi = ""
        self._link = link
        self._access = access or Usim()
        self._agent = agent
        self._profile = profile
        self._session = TerminalSession()
        self._proactive = Proactive(handset, agent, surroundings, channels)
        self._downloads = False

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
        self._start()
        self._serve()

    def _start(self) -> None:
        self._session.reset()
        self._proactive.reset()
        self._link.reset()
        self._read_card()
        profile = CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=self._profile.octets)
        self._session.receive_data(self._transact(profile), profile)

    def _read_card(self) -> None:
        """Read who the card is; what another card has ordered before ends.

        docs/request-synchronization.md clause 4.6.
        """
        before, found = self.iccid, self._access.read(self._transact)
        self.iccid = self._proactive.card = found.iccid
        self.imsi, self._downloads = found.imsi, found.downloads
        if before and before != self.iccid:
            self._agent.interrupt(before)

    def poll(self, now: float) -> None:
        """Send STATUS, as the card asked for with POLL INTERVAL."""
        self._proactive.now = now
        self._exchange(CommandApdu(0x80, Ins.STATUS, 0, 0x0C))

    def short_message(self, tpdu: bytes, now: float) -> bytes:
        """Pass an SMS-DELIVER for the card to it; give the user data of the report, if any.

        What is not for the card by its TP-PID and TP-DCS it never sees. TS 31.111 clause 7.1.1.1.
        """
        self._proactive.now = now
        if not self._downloads or not _is_for_card(tpdu):
            return b""
        return self._envelope(envelope.sms_pp_download(tpdu)).data

    def event(self, code: int, *found: DataObject, now: float) -> bool:
        """Tell the card of an event if it asked for it; say whether it was told."""
        self._proactive.now = now
        if code not in self._proactive.event_list:
            return False
        return self._envelope(envelope.event_download(code, *found)).sw1 in _TAKEN

    def status_event(self, told: envelope.Envelope, now: float) -> bool:
        """Bring the end of a synchronization to the card; say whether the card took it."""
        self._proactive.now = now
        return self._envelope(told).sw1 in _TAKEN

    def choose(self, identifier: int, now: float) -> None:
        """Tell the card which item of its menu the user chose."""
        self._proactive.now = now
        self._envelope(envelope.menu_selection(identifier))

    def change_language(self, language: str, now: float) -> bool:
        """Change the language of the terminal; the card hears of it if it wants to."""
        told = information.Language(language)
        self._proactive.surroundings = replace(self.surroundings, language=language)
        return self.event(EventCode.LANGUAGE_SELECTION, told, now=now)

    def next_timer(self) -> float | None:
        """Give the time at which the next timer of the card runs out."""
        return min([due for due, _ in self._proactive.timers.values()], default=None)

    def handle_timer(self, now: float) -> None:
        """Tell the card of the timers that have run out. TS 102 223 clause 7.4.

        What the card does at one may stop or start another.
        """
        self._proactive.now = now
        timers = self._proactive.timers
        for identifier, (due, started) in sorted(timers.items()):
            if due > now or timers.get(identifier) != (due, started):
                continue
            del timers[identifier]
            elapsed = max(0, min(int(now - started), _LONGEST_TIMER))
            self._envelope(envelope.timer_expiration(identifier, elapsed))

    def handle_channels(self, now: float) -> None:
        """Tell the card what came over its channels. TS 102 223 clauses 7.5.10 and 7.5.11."""
        for code, found in self._proactive.channels.poll():
            self.event(code, *found, now=now)

    def _envelope(self, told: envelope.Envelope) -> ResponseApdu:
        return self._exchange(CommandApdu(0x80, Ins.ENVELOPE, data=told.encode(), le=256))

    def _exchange(self, apdu: CommandApdu) -> ResponseApdu:
        """Give an instruction to the card, then do all that it asks for."""
        response = self._transact(apdu)
        self._session.receive_data(response, apdu)
        self._serve()
        return response

    def _serve(self) -> None:
        """Do what the card asks for: so many commands and resets at most, the rest next time."""
        resets = 0
        for _ in range(_MOST_COMMANDS):
            if self._proactive.reset_asked:
                if resets == _MOST_RESETS:
                    break
                resets += 1
                self._start()
            following = self._session.data_to_send()
            if following is None:
                break
            self._session.receive_data(self._transact(following), following)
            for fetched in self._session.events():
                answer = self._proactive.perform(fetched.octets)
                if answer is not None:
                    self._session.respond(answer)
                elif not self._proactive.reset_asked:
                    self._session.forget()

    def _transact(self, apdu: CommandApdu) -> ResponseApdu:
        """Exchange an APDU; what is no response counts as a technical problem of the card."""
        try:
            told = self._access.instruction(apdu)
            return ResponseApdu.decode(self._link.transact(told.encode()))
        except PeerError:
            return ResponseApdu(SW.TECHNICAL_PROBLEM)


def _is_for_card(tpdu: bytes) -> bool:
    try:
        return len(tpdu) <= _LONGEST_TPDU and Deliver.decode(tpdu).for_card
    except PeerError:
        return False
