"""The issuer security domain: loading, installing, personalising, deleting applications.

GlobalPlatform Card Specification 2.3 clause 11, TS 102 226 clause 8. The registry, a load that
is under way and data to be stored are cells of memory: an interrupted load goes on with its next
block after a reset, or begins anew with INSTALL [for load]; an application is never half there.
"""

from dataclasses import dataclass
from typing import Protocol, Self

from cardsync.card.memory import Memory
from cardsync.card.pieces import Pieces
from cardsync.card.secured import Handler
from cardsync.card.status import status_word
from cardsync.errors import CardsyncError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.octets.reader import Reader
from cardsync.ota import globalplatform, script
from cardsync.ota.application import ISSUER_DOMAIN_TAR, MODULE_AID, ApplicationImage
from cardsync.ota.globalplatform import Delete, GetStatus, Load, RegistryEntry, StoreData
from cardsync.ota.install import InstallForInstall, InstallForLoad, InstallForPersonalization
from cardsync.ota.packet import SecurityLevel
from cardsync.ota.session import Accepted

_LOAD_FILES = "load file:"
_INSTANCES = "instance:"
_LOADED, _SELECTABLE = 0x01, 0x07  # life cycle states. GlobalPlatform clause 11.1.1
_SECURED = 0x0F  # of a security domain
_MOST_LOAD_FILES = 8
_OWN_AID = bytes.fromhex("A000000151000000")  # GlobalPlatform annex H
_EXPANDED = (script.Tag.COMMAND_SCRIPT, script.Tag.COMMAND_SCRIPT_INDEFINITE)


class Application(Protocol):
    """An application as its domain sees it."""

    def personalise(self, data: bytes) -> None:
        """Take the data of STORE DATA, whole; raise `PeerError` with a status word."""

    def message(self, data: bytes) -> bytes:
        """Take what a secured packet brought; give the additional data of its proof."""

    def removed(self) -> None:
        """Forget everything: the application is deleted."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of the registry: an application, what it was made of, its TARs and least security."""

    aid: bytes
    load_file: bytes
    level: SecurityLevel
    tars: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Give the octets of the cell."""
        head = bytes([int(self.level), len(self.load_file)]) + self.load_file
        return head + b"".join(self.tars)

    @classmethod
    def decode(cls, aid: bytes, cell: bytes) -> Self:
        """Read the octets of the cell."""
        reader = Reader(cell)
        level = SecurityLevel.decode(reader.uint8())
        load_file = reader.octets(reader.uint8())
        return cls(
            aid, load_file, level, tuple([reader.octets(3) for _ in range(len(reader) // 3)])
        )


class SecurityDomain:
    """Manages the content of the card; `application` is the only one whose code it has."""

    def __init__(self, memory: Memory, application: Application) -> None:
        self._memory = memory
        self._application = application
        self._loading = Pieces(memory, "load")
        self._personalising = Pieces(memory, "store")

    def handlers(self) -> dict[bytes, tuple[SecurityLevel, Handler]]:
        """Give who takes secured packets: for each TAR the least security and what is done."""
        found: dict[bytes, tuple[SecurityLevel, Handler]] = {
            ISSUER_DOMAIN_TAR: (SecurityLevel(), self._run)
        }
        for instance in self.instances():
            for tar in instance.tars:
                found[tar] = (instance.level, self._message)
        return found

    def instances(self) -> tuple[Instance, ...]:
        """Give the applications of the registry."""
        names = self._memory.names(_INSTANCES)
        aids = [bytes.fromhex(name[len(_INSTANCES) :]) for name in names]
        return tuple(
            [
                Instance.decode(aid, self._memory.read(name))
                for aid, name in zip(aids, names, strict=True)
            ]
        )

    def _message(self, accepted: Accepted) -> bytes:
        return self._application.message(accepted.data)

    def _run(self, accepted: Accepted) -> bytes:
        """Run a script of either format. TS 102 226 clause 5."""
        if accepted.data[:1] and accepted.data[0] in _EXPANDED:
            return self._run_expanded(accepted.data)
        executed, response = 0, ResponseApdu(SW.OK)
        try:
            commands = script.decode_compact(accepted.data)
        except PeerError as exc:
            return script.CompactResponse(0, status_word(exc)).encode()
        for command in commands:
            executed, response = executed + 1, self.transact(command)
            if response.sw != SW.OK:
                break
        return script.CompactResponse(executed, response.sw, response.data).encode()

    def _run_expanded(self, data: bytes) -> bytes:
        responses: list[ResponseApdu] = []
        try:
            commands = script.ExpandedScript.decode(data).commands
        except PeerError as exc:
            bad = script.BadFormat(exc.answer or script.BadFormat.UNKNOWN_TAG)
            return script.ExpandedResponse((), bad_format=bad).encode()
        for command in commands:
            responses.append(self.transact(command))
            if responses[-1].sw != SW.OK:
                break
        return script.ExpandedResponse(tuple(responses), len(responses)).encode()

    def transact(self, apdu: CommandApdu) -> ResponseApdu:
        """Do one command of content management; what fails has changed nothing."""
        try:
            with self._memory.transaction():
                return ResponseApdu(SW.OK, self._do(globalplatform.decode(apdu)))
        except CardsyncError as exc:
            return ResponseApdu(status_word(exc))

    def _do(self, command: globalplatform.Command) -> bytes:
        match command:
            case InstallForLoad():
                answer = self._install_for_load(command)
            case Load():
                answer = self._load(command)
            case InstallForInstall():
                answer = self._install(command)
            case InstallForPersonalization():
                answer = self._personalise(command)
            case StoreData():
                answer = self._store_data(command)
            case Delete():
                answer = self._delete(command)
            case GetStatus():
                answer = self._get_status(command)
            case _:
                raise PeerError("not offered", answer=SW.FUNCTION_NOT_SUPPORTED)
        return answer

    def _install_for_load(self, command: InstallForLoad) -> bytes:
        if self._memory.read(_cell(_LOAD_FILES, command.load_file)):
            raise PeerError("the load file is there already", answer=SW.CONDITIONS_NOT_SATISFIED)
        if len(self._memory.names(_LOAD_FILES)) >= _MOST_LOAD_FILES:
            raise PeerError("too many load files", answer=SW.NOT_ENOUGH_MEMORY)
        self._loading.begin(command.load_file)
        return b"\0"

    def _load(self, command: Load) -> bytes:
        """Take the next block; a block that came already is taken as done."""
        whole = self._loading.take(command.number, command.data, last=command.last)
        if whole is not None:
            aid, data = whole
            image = ApplicationImage.decode(globalplatform.load_file_of(data))
            self._memory.write(_cell(_LOAD_FILES, aid), image.encode())
        return b"\0"

    def _install(self, command: InstallForInstall) -> bytes:
        if not self._memory.read(_cell(_LOAD_FILES, command.load_file)):
            raise PeerError("no such load file", answer=SW.REFERENCED_DATA_NOT_FOUND)
        if command.module != MODULE_AID or self._memory.names(_INSTANCES):
            raise PeerError("not installable", answer=SW.CONDITIONS_NOT_SATISFIED)
        toolkit = command.parameters.toolkit
        tars = toolkit.tars if toolkit else ()
        if set(tars) & set(self.handlers()):
            raise PeerError("a TAR is taken", answer=SW.INCORRECT_DATA)
        # No packet below the domain's own level starts anything, whatever the parameters say.
        level = (toolkit.minimum if toolkit else None) or SecurityLevel()
        level = level if SecurityLevel().admits(level) else SecurityLevel()
        instance = Instance(command.application, command.load_file, level, tars)
        self._memory.write(_cell(_INSTANCES, instance.aid), instance.encode())
        return b"\0"

    def _personalise(self, command: InstallForPersonalization) -> bytes:
        if not self._memory.read(_cell(_INSTANCES, command.application)):
            raise PeerError("no such application", answer=SW.REFERENCED_DATA_NOT_FOUND)
        self._personalising.begin(command.application)
        return b"\0"

    def _store_data(self, command: StoreData) -> bytes:
        whole = self._personalising.take(command.number, command.data, last=command.last)
        if whole is not None:
            aid, data = whole
            if not self._memory.read(_cell(_INSTANCES, aid)):
                raise PeerError("it was deleted meanwhile", answer=SW.REFERENCED_DATA_NOT_FOUND)
            self._application.personalise(data)
        return b""

    def _delete(self, command: Delete) -> bytes:
        """Delete an application, or a load file that nothing was made of or with what was."""
        made = [one for one in self.instances() if one.load_file == command.aid]
        load_file = _cell(_LOAD_FILES, command.aid)
        if self._memory.read(load_file):
            if made and not command.related:
                raise PeerError("it is in use", answer=SW.CONDITIONS_NOT_SATISFIED)
            self._memory.write(load_file, b"")
        else:
            made = [one for one in self.instances() if one.aid == command.aid]
            if not made:
                raise PeerError("no such AID", answer=SW.REFERENCED_DATA_NOT_FOUND)
        for instance in made:
            self._memory.write(_cell(_INSTANCES, instance.aid), b"")
            self._application.removed()
        return b"\0"

    def _get_status(self, command: GetStatus) -> bytes:
        """List what of one part of the registry has an AID that begins as asked. Clause 11.4."""
        match command.part:
            case globalplatform.RegistryPart.ISSUER_SECURITY_DOMAIN:
                entries = [RegistryEntry(_OWN_AID, _SECURED)]
            case globalplatform.RegistryPart.APPLICATIONS:
                entries = [
                    RegistryEntry(one.aid, _SELECTABLE, b"\0", one.load_file)
                    for one in self.instances()
                ]
            case _:
                names = self._memory.names(_LOAD_FILES)
                aids = [bytes.fromhex(name[len(_LOAD_FILES) :]) for name in names]
                entries = [RegistryEntry(aid, _LOADED) for aid in aids]
        found = [entry.encode() for entry in entries if entry.aid.startswith(command.aid)]
        if not found:
            raise PeerError("nothing is listed", answer=SW.REFERENCED_DATA_NOT_FOUND)
        return b"".join(found)


def _cell(kind: str, aid: bytes) -> str:
    return kind + aid.hex()
