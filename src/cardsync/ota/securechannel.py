"""The secure channel between a host and a security domain: both ends, SCP02 and SCP03.

GlobalPlatform Card Specification 2.3 clause 10, annex E (SCP02, options 15 and 55) and Amendment
D (SCP03, options 00, 10, 60 and 70). INITIALIZE UPDATE exchanges challenges, EXTERNAL AUTHENTICATE
proves the host; from then on every command carries a checksum. Our card answers with challenges
that are derived from its sequence counter, so it needs no chance.
"""

import hmac
from collections.abc import Mapping
from enum import Enum, auto
from typing import Protocol

from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.octets.reader import Reader
from cardsync.ota import scp02, scp03
from cardsync.ota.channel_keys import ChannelKeys, KeyCipher, KeyKind
from cardsync.ota.channel_level import SCP02_LEVELS, SCP03_LEVELS, SECURED_CLASS, Level

INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE = 0x50, 0x82
_CLA = 0x80
_CHALLENGE, _CRYPTOGRAM = 8, 8
_DIVERSIFICATION = 10
SCP02_OPTION, SCP03_OPTION = 0x55, 0x70
_PSEUDO_RANDOM = 0x10  # of "i" of SCP03: the sequence counter is in the answer
_NOT_AUTHENTICATED = 0x6300  # clauses E.5.2.6 and 7.1.2.6 of Amendment D
_HIGHEST = {KeyKind.DES: 0xFFFF, KeyKind.AES: 0xFFFFFF}

Session = scp02.Scp02 | scp03.Scp03
"""The keys and chaining values of one session."""


class State(Enum):
    """Where an end of the channel stands."""

    CLOSED = auto()
    CHALLENGED = auto()
    OPEN = auto()


class KeyStore(Protocol):
    """Where a security domain keeps its keys and, for each version, its sequence counter."""

    def keys(self) -> Mapping[int, ChannelKeys]:
        """Give the keys by their version."""

    def sequence(self, version: int) -> int:
        """Give the sequence counter of a version."""

    def advance(self, version: int) -> None:
        """Count one more, durably."""


def first_choice(keys: Mapping[int, ChannelKeys]) -> ChannelKeys | None:
    """Choose among keys where the host leaves it to the card: AES first, the lowest version."""
    order = sorted(keys.values(), key=lambda one: (one.kind is not KeyKind.AES, one.version))
    return order[0] if order else None


class CardChannel:
    """The card's end. `aid` is the domain's; `diversification` 10 octets that tell its keys."""

    def __init__(self, store: KeyStore, aid: bytes, diversification: bytes) -> None:
        if len(diversification) != _DIVERSIFICATION:
            raise LocalError(f"key diversification data has {_DIVERSIFICATION} octets")
        self._store = store
        self._aid = aid
        self._diversification = diversification
        self._version = 0
        self.reset()

    def reset(self) -> None:
        """Forget the session."""
        self._state, self._level = State.CLOSED, Level(0)
        self._session: Session | None = None

    @property
    def is_open(self) -> bool:
        """Say whether a host has proved itself."""
        return self._state is State.OPEN

    @property
    def key_cipher(self) -> KeyCipher:
        """The key under which PUT KEY sends others; raise `PeerError` without a session."""
        return self._open_session().key_cipher

    @property
    def version(self) -> int:
        """The version of the keys of the session."""
        return self._version

    def initialize_update(self, apdu: CommandApdu) -> bytes:
        """Begin a session and give challenge and cryptogram. Clause E.5.1, 7.1.1.

        Raises `PeerError`: 6A88 for keys that are not there, 6985 for keys that are used up.
        """
        self.reset()
        if len(apdu.data) != _CHALLENGE:
            raise PeerError("a challenge has 8 octets", answer=SW.WRONG_LENGTH)
        if apdu.p2:
            raise PeerError("keys are chosen by version", answer=SW.INCORRECT_P1_P2)
        keys = self._keys(apdu.p1)
        if self._store.sequence(keys.version) >= _HIGHEST[keys.kind]:
            raise PeerError("the keys are used up", answer=SW.CONDITIONS_NOT_SATISFIED)
        answer = (
            self._scp03(keys, apdu.data)
            if keys.kind is KeyKind.AES
            else self._scp02(keys, apdu.data)
        )
        self._state, self._version = State.CHALLENGED, keys.version
        return self._diversification + bytes([keys.version]) + answer

    def _keys(self, version: int) -> ChannelKeys:
        """Give the keys of a version; 0 leaves the choice to the card."""
        found = self._store.keys()
        chosen = found.get(version) if version else first_choice(found)
        if chosen is None:
            raise PeerError("no such keys", answer=SW.REFERENCED_DATA_NOT_FOUND)
        return chosen

    def _scp03(self, keys: ChannelKeys, host: bytes) -> bytes:
        """Count, then challenge: no challenge is given twice. Amendment D clause 6.2.2.1."""
        self._store.advance(keys.version)
        sequence = self._store.sequence(keys.version).to_bytes(3, "big")
        card = scp03.card_challenge(keys, sequence, self._aid)
        self._session = scp03.Scp03(keys, host, card)
        return bytes([3, SCP03_OPTION]) + card + self._session.card_cryptogram + sequence

    def _scp02(self, keys: ChannelKeys, host: bytes) -> bytes:
        """Challenge; the counter rises when the host has proved itself. Clause E.1.5."""
        sequence = self._store.sequence(keys.version).to_bytes(2, "big")
        card = scp02.card_challenge(keys, sequence, self._aid)
        self._session = scp02.Scp02(keys, host, sequence, card)
        return b"\2" + sequence + card + self._session.card_cryptogram

    def external_authenticate(self, apdu: CommandApdu) -> None:
        """Take the proof of the host; what fails ends the session. Clause E.5.2, 7.1.2.

        Raises `PeerError`: 6985 out of turn, 6A86 for a level not offered, 6982 or 6300.
        """
        session, state = self._session, self._state
        self._session, self._state = None, State.CLOSED
        if session is None or state is not State.CHALLENGED:
            raise PeerError("INITIALIZE UPDATE comes first", answer=SW.CONDITIONS_NOT_SATISFIED)
        levels = SCP03_LEVELS if isinstance(session, scp03.Scp03) else SCP02_LEVELS
        if apdu.p1 not in levels or apdu.p2:
            raise PeerError(f"security level {apdu.p1:02X}", answer=SW.INCORRECT_P1_P2)
        cryptogram = session.open(apdu, Level.C_MAC).data
        if not hmac.compare_digest(cryptogram, session.host_cryptogram):
            raise PeerError("not the host's cryptogram", answer=_NOT_AUTHENTICATED)
        if isinstance(session, scp02.Scp02):
            self._store.advance(self._version)
        self._session, self._state, self._level = session, State.OPEN, Level(apdu.p1)

    def open(self, apdu: CommandApdu) -> CommandApdu:
        """Give the command under its protection; what fails ends the session (6982)."""
        session, level = self._open_session(), self._level
        self.reset()
        if apdu.cla != SECURED_CLASS:
            raise PeerError("an unprotected command", answer=SW.SECURITY_NOT_SATISFIED)
        opened = session.open(apdu, level)
        self._session, self._state, self._level = session, State.OPEN, level
        return CommandApdu(_CLA, opened.ins, opened.p1, opened.p2, opened.data, opened.le)

    def protect_response(self, response: ResponseApdu) -> ResponseApdu:
        """Protect the answer to a command that `open` gave."""
        return self._open_session().protect_response(response, self._level)

    def _open_session(self) -> Session:
        if self._session is None or self._state is not State.OPEN:
            raise PeerError("no secure channel is open", answer=SW.SECURITY_NOT_SATISFIED)
        return self._session


class HostChannel:
    """The host's end, for one session with these keys at this level.

    `challenge` is 8 random octets. The card chooses the option; those with a challenge of chance
    (00, 60) and those with a sequence counter (10, 70) are both understood.
    """

    def __init__(self, keys: ChannelKeys, challenge: bytes, level: Level) -> None:
        levels = SCP03_LEVELS if keys.kind is KeyKind.AES else SCP02_LEVELS
        if level not in levels:
            raise LocalError(f"security level {level:02X} is not offered for these keys")
        if len(challenge) != _CHALLENGE:
            raise LocalError(f"a challenge has {_CHALLENGE} octets")
        self._keys, self._challenge, self._level = keys, challenge, level
        self._state = State.CLOSED
        self._session: Session | None = None

    def initialize_update(self) -> CommandApdu:
        """Give the first command."""
        self._state, self._session = State.CHALLENGED, None
        return CommandApdu(_CLA, INITIALIZE_UPDATE, self._keys.version, 0, self._challenge, 256)

    def external_authenticate(self, answer: bytes) -> CommandApdu:
        """Check the card's answer and give the second command; raise `PeerError`."""
        if self._state is not State.CHALLENGED:
            raise LocalError("INITIALIZE UPDATE comes first")
        # The version behind the diversification data may be the card's alias: the cryptogram
        # proves which keys it used.
        reader = Reader(answer, _DIVERSIFICATION + 1)
        protocol = reader.uint8()
        if protocol != (3 if self._keys.kind is KeyKind.AES else 2):
            raise PeerError(f"the card chose protocol {protocol}")
        session = self._scp03(reader) if protocol == 3 else self._scp02(reader)
        reader.finish()
        self._session, self._state = session, State.OPEN
        proof = CommandApdu(_CLA, EXTERNAL_AUTHENTICATE, self._level, 0, session.host_cryptogram)
        return session.protect(proof, Level.C_MAC)

    def _scp02(self, reader: Reader) -> Session:
        sequence, card = reader.octets(2), reader.octets(6)
        session = scp02.Scp02(self._keys, self._challenge, sequence, card)
        _check_card(reader, session)
        return session

    def _scp03(self, reader: Reader) -> Session:
        option, card = reader.uint8(), reader.octets(8)
        session = scp03.Scp03(self._keys, self._challenge, card)
        _check_card(reader, session)
        if option & _PSEUDO_RANDOM:
            reader.octets(3)
        return session

    def protect(self, apdu: CommandApdu) -> CommandApdu:
        """Protect a command."""
        return self._open_session().protect(apdu, self._level)

    def open_response(self, response: ResponseApdu) -> ResponseApdu:
        """Check and open the answer to it; raise `PeerError`."""
        return self._open_session().open_response(response, self._level)

    @property
    def key_cipher(self) -> KeyCipher:
        """The key under which PUT KEY sends others."""
        return self._open_session().key_cipher

    def _open_session(self) -> Session:
        if self._session is None or self._state is not State.OPEN:
            raise LocalError("no secure channel is open")
        return self._session


def _check_card(reader: Reader, session: Session) -> None:
    if not hmac.compare_digest(reader.octets(_CRYPTOGRAM), session.card_cryptogram):
        raise PeerError("not the card's cryptogram")
