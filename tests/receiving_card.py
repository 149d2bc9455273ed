"""A card and its radio for tests of the operator: real security, a registry of three cells.

It checks packets with `ReceivingEntity`, runs compact scripts on what it remembers, and sends
its proofs of receipt as SMS-SUBMIT, or a refusal without keys in the SMS-DELIVER-REPORT.
"""

import asyncio

from cardsync.fleet.smsc import Smsc
from cardsync.fleet.smsc_queues import RadioSilent
from cardsync.octets.apdu import SW, CommandApdu, Ins
from cardsync.ota.application import APPLICATION_TAR, ISSUER_DOMAIN_TAR
from cardsync.ota.packet import ResponseStatus, SecurityLevel
from cardsync.ota.script import CompactResponse, decode_compact
from cardsync.ota.security import Algorithm, Key, KeySet, PacketRejected
from cardsync.ota.session import Accepted, ReceivingEntity
from cardsync.transport import sms
from cardsync.transport.user_data import RESPONSE_HEADER, Reassembler, UserData, segment

KEYS = KeySet(1, Key(Algorithm.AES, bytes(range(16))), Key(Algorithm.AES, bytes(range(16, 32))))
OTHER_KEYS = KeySet(1, Key(Algorithm.AES, bytes(16)), Key(Algorithm.AES, bytes(16)))


class ReceivingCard:
    """A card with the number `msisdn` at `smsc`.

    `packets` are the secured packets that came, whole, `executed` what they brought when they
    were accepted, `statuses` all answers. `answers` False keeps proofs back in `unsent`;
    `silent` True lets nothing reach the card; `padding` makes proofs longer; `in_report` True puts
    proofs into the SMS-DELIVER-REPORT. `before` are statuses that come before the answer proper.
    """

    def __init__(self, smsc: Smsc, msisdn: str, keys: KeySet = KEYS) -> None:
        self.packets: list[bytes] = []
        self.executed: list[bytes] = []
        self.statuses: list[ResponseStatus] = []
        self.unsent: list[bytes] = []
        self.answers = True
        self.silent = False
        self.in_report = False
        self.before: tuple[ResponseStatus, ...] = ()
        self.padding = b""
        self.loaded = self.installed = False
        self.stored = b""
        self.msisdn = msisdn
        self.smsc = smsc
        levels = dict.fromkeys((ISSUER_DOMAIN_TAR, APPLICATION_TAR), SecurityLevel())
        self.entity = ReceivingEntity({1: keys}, levels, {})
        self._reassembler = Reassembler()
        self._reference = 0
        self._tasks: set[asyncio.Task[None]] = set()
        smsc.attach(msisdn, self.radio)

    async def radio(self, tpdu: bytes) -> bytes | None:
        """Take an SMS-DELIVER; give the report of its RP-ACK."""
        if self.silent:
            raise RadioSilent(self.msisdn)
        deliver = sms.Deliver.decode(tpdu)
        assert deliver.for_card
        whole = self._reassembler.receive_data(deliver.originator, deliver.user_data)
        if whole is None:
            return None
        assert RESPONSE_HEADER != whole.header
        self.packets.append(whole.data)
        return self._receive(deliver, whole.data)

    def _receive(self, deliver: sms.Deliver, packet: bytes) -> bytes | None:
        outcome: Accepted | PacketRejected
        try:
            outcome = self.entity.receive_data(packet)
        except PacketRejected as rejected:
            outcome, status, data = rejected, rejected.status, b""
        else:
            self.executed.append(outcome.data)
            status, data = ResponseStatus.OK, self._execute(outcome)
        self.statuses.append(status)
        answer = self.entity.respond(outcome, status, data) or b""
        trusted = isinstance(outcome, Accepted) or outcome.authenticated
        if self.in_report or not trusted:
            user_data = UserData(answer, RESPONSE_HEADER)
            return sms.DeliverReport(
                user_data, sms.PID_SIM_DATA_DOWNLOAD, sms.DCS_CLASS_2_OCTETS
            ).encode()
        for one in (*[self.entity.respond(outcome, early) or b"" for early in self.before], answer):
            self._reference += 1
            for part in segment(one, RESPONSE_HEADER, self._reference):
                self.unsent.append(sms.Submit(deliver.originator, part, protocol=0x7F).encode())
        if self.answers:
            self.send()
        return None

    def send(self) -> None:
        """Send the proofs that were kept back."""
        unsent, self.unsent = self.unsent, []
        task = asyncio.get_running_loop().create_task(self._submit(unsent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _submit(self, tpdus: list[bytes]) -> None:
        for tpdu in tpdus:
            while True:
                try:
                    await self.smsc.submit(self.msisdn, tpdu)
                    break
                except RadioSilent:
                    await asyncio.sleep(0.05)

    def _execute(self, accepted: Accepted) -> bytes:
        if accepted.tar != ISSUER_DOMAIN_TAR:
            return self.padding
        executed, sw = 0, int(SW.OK)
        for command in decode_compact(accepted.data):
            executed, sw = executed + 1, self._run(command)
            if sw != SW.OK:
                break
        return CompactResponse(executed, sw, self.padding).encode()

    def _run(self, command: CommandApdu) -> int:
        """Run one command of content management on three cells of memory."""
        match command.ins, command.p1:
            case Ins.DELETE, _:
                there, self.loaded, self.installed = self.loaded, False, False
                return SW.OK if there else SW.REFERENCED_DATA_NOT_FOUND
            case Ins.INSTALL, 0x0C if self.installed:
                return SW.CONDITIONS_NOT_SATISFIED
            case Ins.LOAD, _:
                self.loaded = True
            case Ins.INSTALL, 0x0C:
                self.installed = True
            case Ins.INSTALL, 0x20:
                self.stored = b""
                return SW.OK if self.installed else SW.REFERENCED_DATA_NOT_FOUND
            case Ins.STORE_DATA, _:
                self.stored += command.data
        return SW.OK
