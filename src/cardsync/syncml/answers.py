"""The Status commands that one message of a client is owed."""

from collections import deque
from dataclasses import replace

from cardsync.syncml import auth
from cardsync.syncml.answering import received, refuse
from cardsync.syncml.elements import Command, Item, SyncHdr
from cardsync.syncml.letter import Owed


class Answers:
    """What is `owed` for the message of a header, which may want no answer (NoResp).

    `refs` puts into each Status the names of what it answers.
    """

    def __init__(self, header: SyncHdr, *, refs: bool) -> None:
        self.owed: Owed = deque()
        self._header = header
        self._refs = refs

    def to_header(
        self, code: int, challenge: auth.Challenge | None = None, items: tuple[Item, ...] = ()
    ) -> None:
        """Answer the header itself."""
        if not self._header.no_resp:
            chal = auth.write_challenge(challenge) if challenge else None
            status = received(self._header, code, chal, refs=self._refs)
            self.owed.append(replace(status, items=items))

    def to(
        self,
        command: Command,
        code: int,
        items: tuple[Item, ...] = (),
        challenge: auth.Challenge | None = None,
    ) -> None:
        """Answer a command, if it wants to be."""
        if not self._header.no_resp and not getattr(command, "no_resp", False):
            chal = auth.write_challenge(challenge) if challenge else None
            status = refuse(command, code, self._header.msg_id, refs=self._refs)
            self.owed.append(replace(status, items=items, chal=chal))
