"""What the card reports for itself, and the packet that it makes of it.

The counter of reports only rises and outlives the application, as that of tokens does: its
successor must not use one twice. The IMEI is in every report, so that one that got lost is made
good by the next; of the other facts those that are not as they were at the last success.
"""

from cardsync.card.files import MF, cell
from cardsync.card.knowledge import Knowledge
from cardsync.card.ladder import Ladder
from cardsync.card.memory import Memory
from cardsync.card.policy_store import PolicyStore
from cardsync.card.secured import read_key_sets
from cardsync.errors import LocalError
from cardsync.ota.packet import HIGHEST_COUNTER
from cardsync.ota.report import Report, ReportReason, frame, secure_report
from cardsync.transport.sms import Address, Submit, TypeOfNumber
from cardsync.transport.user_data import COMMAND_HEADER, UserData

_COUNTER = "report counter"


class Reporting:
    """Makes reports of what the application knows."""

    def __init__(
        self, memory: Memory, knowledge: Knowledge, policy: PolicyStore, ladder: Ladder
    ) -> None:
        self._memory = memory
        self._knowledge = knowledge
        self._policy = policy
        self._ladder = ladder

    def report(self, reason: ReportReason, request: str = "") -> Report:
        """Say what changed since the last success."""
        facts = self._knowledge.facts()
        imei = self._knowledge.imei
        before = facts.get("last.imei")
        if imei is not None and before is not None and before != facts.get("imei"):
            reason = ReportReason.OTHER_TERMINAL
        new = {name: value for name, value in facts.items() if value != facts.get(f"last.{name}")}
        language, profile = new.get("language"), new.get("profile")
        technology = new.get("network.technology")
        return Report(
            reason,
            imei,
            language.decode() if isinstance(language, bytes) and language.isalpha() else None,
            profile if isinstance(profile, bytes) else None,
            technology if isinstance(technology, int) else None,
            self._ladder.steps,
            request,
            self._policy.digest(),
        )

    def packet(self, reason: ReportReason, request: str = "") -> bytes | None:
        """Give the packet of a report, under a counter of its own; None without a good key."""
        counter = int.from_bytes(self._memory.read(_COUNTER), "big") + 1
        if counter > HIGHEST_COUNTER:
            return None
        for _, key_set in sorted(read_key_sets(self._memory).items()):
            try:
                packet = secure_report(self.report(reason, request), key_set, counter)
            except LocalError:
                continue  # too weak to derive from
            self._memory.write(_COUNTER, counter.to_bytes(5, "big"))
            return packet
        return None

    def framed(self, packet: bytes) -> bytes:
        """Put a packet into the frame in which a channel carries it."""
        return frame(self._memory.read(cell(f"{MF}/2FE2")), packet)


def submit(number: str, packet: bytes) -> bytes:
    """Give the SMS-SUBMIT of a report; `number` as it is dialled.

    Raises `LocalError` for a number that is none and a packet that does not fit one message.
    """
    kind = TypeOfNumber.INTERNATIONAL if number.startswith("+") else TypeOfNumber.UNKNOWN
    address = Address(number.removeprefix("+"), kind)
    return Submit(address, UserData(packet, COMMAND_HEADER)).encode()
