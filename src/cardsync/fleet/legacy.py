"""Terminals as they are in the field: without our command, each in its own way.

What a real one does with a type of command that it does not know differs: most answer 30, some
31, some nothing at all. docs/request-synchronization.md clause 14.
"""

import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from cardsync.terminal.handset import UnattendedHandset
from cardsync.toolkit.codes import GeneralResult
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.objects import Result
from cardsync.toolkit.profile import Feature, TerminalProfile

_PATIENCE = 20.0  # seconds for a page
_SAID = {"User-Agent": "cardsync demo phone", "Accept-Language": "en"}
_LARGEST_PAGE = 1 << 20

_CHANNELS = {
    Feature.OPEN_CHANNEL, Feature.CLOSE_CHANNEL, Feature.RECEIVE_DATA, Feature.SEND_DATA,
    Feature.GET_CHANNEL_STATUS, Feature.TCP_CLIENT_REMOTE, Feature.EVENT_CHANNEL_STATUS,
    Feature.EVENT_DATA_AVAILABLE,
}  # fmt: skip
_BROWSER = {Feature.LAUNCH_BROWSER, Feature.EVENT_BROWSER_TERMINATION}
_COMMAND = {Feature.REQUEST_SYNCHRONIZATION, Feature.SYNCHRONIZATION_STATUS}
_NEVER = {
    Feature.CELL_BROADCAST_DOWNLOAD, Feature.GET_INPUT, Feature.PLAY_TONE,
    Feature.SELECT_ITEM, Feature.SEND_SS, Feature.SEND_USSD, Feature.SET_UP_CALL,
    Feature.OMA_DM, Feature.LOCAL_INFORMATION_BATTERY, Feature.COMPACT_DELTA,
    Feature.PROFILE_REFERENCE,
}  # fmt: skip


class Kind(StrEnum):
    """What kind of terminal a mobile is."""

    AGENT = "agent"
    BROWSER = "browser"
    CHANNEL = "channel"
    LEGACY = "legacy"
    SILENT = "silent"
    CLAIMING = "claiming"


@dataclass(frozen=True, slots=True)
class Character:
    """What a terminal has: `knows` the command, or `answer`s so to it, None being silence.

    `claims` says that its profile has the bit of the command, whatever is true.
    """

    imei: str
    says: str
    knows: bool = False
    answer: GeneralResult | None = None
    claims: bool = False
    browser: bool = False
    channels: bool = False

    @property
    def profile(self) -> TerminalProfile:
        """What it tells the card that it can do."""
        absent = set(_NEVER)
        absent |= set() if self.claims else _COMMAND
        absent |= set() if self.browser else _BROWSER
        absent |= set() if self.channels else _CHANNELS
        return TerminalProfile.of(*[one for one in Feature if one not in absent])


CHARACTERS = {
    Kind.AGENT: Character(
        "490154203237518", "a terminal with the command", knows=True, claims=True, channels=True
    ),
    Kind.BROWSER: Character(
        "351501100000175", "a phone that answers 30, with a browser",
        answer=GeneralResult.BEYOND_CAPABILITIES, browser=True, channels=True,
    ),
    Kind.CHANNEL: Character(
        "352468100000176", "a modem that answers 31, with channels",
        answer=GeneralResult.TYPE_NOT_UNDERSTOOD, channels=True,
    ),
    Kind.LEGACY: Character(
        "354126100000178", "a phone that answers 30 and can send short messages",
        answer=GeneralResult.BEYOND_CAPABILITIES,
    ),
    Kind.SILENT: Character(
        "355742100000171", "a modem that never answers the command, with channels", channels=True
    ),
    Kind.CLAIMING: Character(
        "356938100000174", "a phone that claims the command and refuses it",
        answer=GeneralResult.TYPE_NOT_UNDERSTOOD, claims=True,
    ),
}  # fmt: skip
"""Each kind with its own type (TAC): what the card learns of one it does not think of another."""


class Unaware:
    """Takes the orders of the card in place of an agent: there is none."""

    def __init__(self, answer: GeneralResult | None) -> None:
        self._answer = answer

    def take(
        self, command: ProactiveCommand, card: str, consent: Callable[[], Result | None]
    ) -> TerminalResponse | None:
        """Answer as such terminals do."""
        del card, consent
        if self._answer is None:
            return None
        return TerminalResponse(command.details, Result(self._answer))

    def interrupt(self, card: str) -> None:
        """Have nothing that could be interrupted."""


@dataclass(slots=True)
class Phone(UnattendedHandset):
    """A handset that nobody looks at; the pages of its `browser` wait in `pages`."""

    browser: bool = False
    pages: list[str] = field(default_factory=list)

    def browse(self, url: str) -> bool:
        """Take a page to be opened, if there is a browser."""
        if self.browser:
            self.pages.append(url)
        return self.browser


def open_page(url: str) -> int | None:
    """Load a page as a simple browser does; give the status of HTTP, None without an answer."""
    if not url.startswith(("http://", "https://")):
        return None
    request = urllib.request.Request(url, headers=_SAID)  # noqa: S310  # checked above
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310  # the same
            answer.read(_LARGEST_PAGE)
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
