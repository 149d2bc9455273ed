"""The headers of a client's messages: numbers, addresses, and who is who.

OMA SyncML Representation Protocol 1.2, SyncHdr, Cred and Chal; DS Protocol 1.2, "Authentication".
"""

from contextlib import suppress
from typing import Final
from urllib.parse import urljoin

from cardsync.errors import PeerError
from cardsync.syncml import auth
from cardsync.syncml.answering import received
from cardsync.syncml.elements import Chal, Location, Message, Meta, Status, SyncHdr
from cardsync.syncml.letter import Letter, is_wbxml
from cardsync.syncml.request import ClientConfig
from cardsync.syncml.status import StatusCode

_TRIES: Final = 3
"""Redirections that are followed, and times that a server may show credentials in vain."""


class Correspondence:
    """What goes from message to message in one session with a server, at `url`.

    `account` is what we show, with the nonce that the server gave last.
    """

    def __init__(self, config: ClientConfig) -> None:
        self.url = config.url
        self.msg_id = 0
        self._config = config
        self.account = config.account
        self._challenged = False
        self._is_terse = config.terse and is_wbxml(config.content_type)
        self.is_server_terse = False
        """It leaves out of a Status what its reference says already."""
        self._is_known = False
        self._knows_server = config.authenticate is None
        self._is_sealed = False
        """The server has shown a MAC, and owes one with each message."""
        self._refusals = self._redirections = 0
        self._limit = config.max_msg_size

    def begin(self) -> Letter:
        """Begin the next message."""
        self.msg_id += 1
        config, account = self._config, self.account
        shown = None if self._is_known else account
        header = SyncHdr(
            session_id=config.session_id,
            msg_id=self.msg_id,
            target=Location(self.url),
            source=Location(config.device_id, auth.name(account)),
            version=config.version,
            cred=auth.credential(shown, config.version, terse=self._is_terse),
            meta=Meta(max_msg_size=config.max_msg_size) if self.msg_id == 1 else None,
        )
        return Letter(header, config.content_type, self._limit, singly=config.plain)

    def mac(self, octets: bytes) -> str | None:
        """Give what goes beside a message, if anything: by 212 the server asks for no more."""
        if self.account and self.account.scheme is auth.Scheme.MAC and not self._is_known:
            return auth.write_hmac(self.account, octets)
        return None

    def take(self, message: Message) -> Status | None:
        """Take the header of an answer; give the Status by which our message was refused."""
        header = message.header
        if header.session_id != self._config.session_id:
            raise PeerError("not an answer of this session", answer=StatusCode.BAD_REQUEST)
        self.url = _next(self.url, header.resp_uri or "")
        if header.meta and header.meta.max_msg_size:
            self._limit = min(self._config.max_msg_size, header.meta.max_msg_size)
        for command in message.commands:
            if not isinstance(command, Status) or command.cmd_ref != 0:
                continue
            if command.msg_ref != self.msg_id:
                continue
            if not 200 <= command.code < 300:
                return command
            self.is_server_terse = not (command.target_refs or command.source_refs)
            if command.code == StatusCode.AUTHENTICATED:
                self._is_known = True
            if command.chal:  # what is to be shown the next time: in this session or another
                with suppress(PeerError):  # or what we cannot show, and need not now
                    self._take_challenge(command.chal)
        return None

    def try_again(self, refused: Status) -> bool:
        """Take a challenge, once, or a redirection; False if there is nothing else to try."""
        wanted = refused.code in (StatusCode.UNAUTHORIZED, StatusCode.MISSING_CREDENTIALS)
        if wanted and self._is_terse:
            self._is_terse = False  # the same in full: this server is no longer who it was
            return True
        if wanted and refused.chal and self.account and not self._challenged:
            self._challenged = True
            self._take_challenge(refused.chal)
            return True
        if wanted and self.account and not self.account.scheme:
            # It does not say what it wants, which is what the oldest servers had.
            self._meet(auth.Challenge(auth.Scheme.BASIC))
            return True
        moved = _location(refused) if 300 <= refused.code < 400 else ""
        moved = moved and urljoin(self.url, moved.strip())  # it may be relative
        if moved and self._redirections < _TRIES and _may_go(self.url, moved):
            self._redirections += 1
            self.url, self.msg_id, self._is_known = moved, 0, False
            return True
        return False

    def _take_challenge(self, chal: Chal) -> None:
        challenge = auth.read_challenge(chal)
        if challenge.scheme is auth.Scheme.MAC and not self._config.beside:
            raise PeerError("nothing goes beside a message", answer=StatusCode.NOT_SUPPORTED)
        self._meet(challenge)

    def _meet(self, challenge: auth.Challenge) -> None:
        """Show what the server asks for; not the password itself before it has shown what it is.

        Who was told to show that in any case has shown it in the first message.
        """
        if self.account is None:
            return
        is_open = challenge.scheme is auth.Scheme.BASIC and self.account.scheme is None
        if is_open and not self._knows_server:
            reason = "the server asks for our password before it has shown its own"
            raise auth.Unproved(reason, answer=StatusCode.UNAUTHORIZED)
        self.account = self.account.meet(challenge)

    def judge(self, message: Message, beside: auth.Proof | None) -> tuple[Status, int]:
        """Answer a header; with it the code by which all else is refused, or 0.

        `beside` is the MAC of the message. Raises PeerError where the server shows what it is in
        vain, again and again, or where a message lacks the MAC that those before it had.
        """
        header, authenticate = message.header, self._config.authenticate
        code, chal = int(StatusCode.OK), None
        if authenticate and (header.cred or beside or self._is_sealed or not self._knows_server):
            shown = beside if self._is_sealed else auth.proof(header) or beside
            result = authenticate(shown, header.source.uri)
            code = StatusCode.UNAUTHORIZED if shown else StatusCode.MISSING_CREDENTIALS
            if self._is_sealed and not result.ok:
                raise auth.Unproved("a message of the server lacks a MAC that fits", answer=code)
            self._knows_server = result.ok
            self._is_sealed |= result.ok and shown is not None and shown.scheme is auth.Scheme.MAC
            if result.ok:  # of one message, or for the session
                code = StatusCode.OK if self._is_sealed else StatusCode.AUTHENTICATED
            self._refusals += not result.ok
            chal = auth.write_challenge(result.challenge) if result.challenge else None
        if self._refusals == _TRIES:
            raise auth.Unproved("the server does not show the password that we know", answer=code)
        status = received(header, code, chal, refs=self._config.plain)
        return status, 0 if self._knows_server else code


def _location(status: Status) -> str:
    """Give the address that a redirection names, in its item."""
    for item in status.items:
        named = item.target or item.source
        if named:
            return named.uri
        if isinstance(item.data, bytes):
            return item.data.decode(errors="replace")
    return ""


def _may_go(here: str, there: str) -> bool:
    """Follow to http or https, never from TLS to what is none."""
    schemes = ("https:",) if here.lower().startswith("https:") else ("https:", "http:")
    return there.lower().startswith(schemes)


def _next(here: str, said: str) -> str:
    """Give where the next message goes: RespURI, of which some servers write the end alone."""
    try:
        return urljoin(here, said.strip())
    except ValueError:
        return said  # no address at all, as the carrier will say
