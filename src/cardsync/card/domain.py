"""The issuer security domain: loading, installing, personalising, deleting applications.

GlobalPlatform Card Specification 2.3 clause 11, TS 102 226 clause 8. The registry, a load that
is under way and data to be stored are cells of memory: an interrupted load goes on with its next
block after a reset, or begins anew with INSTALL [for load]; an application is never half there.
"""

from dataclasses import dataclass
from typing import Protocol, Self

from cardsync.card import scripts
from cardsync.card.card_data import CardData
from cardsync.card.key_store import DomainKeys
from cardsync.card.memory import Memory
from cardsync.card.pieces import Pieces
from cardsync.card.secured import Handler
from cardsync.card.status import status_word
from cardsync.errors import CardsyncError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.octets.reader import Reader
from cardsync.ota import globalplatform
from cardsync.ota.application import ISSUER_DOMAIN_TAR, MODULE_AID, ApplicationImage
from cardsync.ota.channel_keys import KeyCipher
from cardsync.ota.globalplatform import (
    Delete,
    GetData,
    GetStatus,
    Load,
    PutKey,
    RegistryEntry,
    RegistryPart,
    SetStatus,
    StoreData,
)
from cardsync.ota.install import InstallForInstall, InstallForLoad, InstallForPersonalization
from cardsync.ota.packet import SecurityLevel
from cardsync.ota.session import Accepted

_LOAD_FILES = "load file:"
_INSTANCES = "instance:"
_LOCKED = "locked:"
_LOADED, _SELECTABLE = 0x01, 0x07  # life cycle states. GlobalPlatform clause 11.1.1
_LOCK = 0x80
_SECURED = 0x0F  # of a security domain
_PRIVILEGES = bytes.fromhex("9EFE80")  # of the issuer's domain. Clause 11.1.2
_MOST_LOAD_FILES = 8
_REMOTE_FILES = 0xB0  # TARs of remote file management begin so. TS 101 220 annex D
_MOST_LISTED = 200  # octets of one answer to GET STATUS, which may still be ciphered
MORE_DATA = 0x6310  # clause 11.4.3.2
OWN_AID = bytes.fromhex("A000000151000000")
"""The AID of the issuer security domain. GlobalPlatform annex H."""


_Simple = (
    InstallForLoad
    | InstallForInstall
    | InstallForPersonalization
    | Load
    | StoreData
    | Delete
    | SetStatus
    | GetData
)
"""Commands whose answer is `90 00` or an error."""


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


def registered(memory: Memory) -> tuple[Instance, ...]:
    """Give the applications in the registry of a card."""
    names = memory.names(_INSTANCES)
    aids = [bytes.fromhex(name[len(_INSTANCES) :]) for name in names]
    return tuple(
        [Instance.decode(aid, memory.read(name)) for aid, name in zip(aids, names, strict=True)]
    )


def is_locked(memory: Memory) -> bool:
    """Say whether the application of a card must be still."""
    return bool(memory.names(_LOCKED))


class SecurityDomain:
    """Manages the content of the card; `application` is the only one whose code it has."""

    def __init__(self, memory: Memory, application: Application) -> None:
        self._memory = memory
        self._application = application
        self._loading = Pieces(memory, "load")
        self._personalising = Pieces(memory, "store")
        self._data = CardData(memory)
        self.keys = DomainKeys(memory)
        self._listed = 0  # entries of the last listing that were told already

    @property
    def locked(self) -> bool:
        """Whether the application must be still. GlobalPlatform clause 5.3.1.4."""
        return is_locked(self._memory)

    def handlers(self) -> dict[bytes, tuple[SecurityLevel, Handler]]:
        """Give who takes secured packets: for each TAR the least security and what is done."""
        found: dict[bytes, tuple[SecurityLevel, Handler]] = {
            ISSUER_DOMAIN_TAR: (SecurityLevel(), self._run)
        }
        for instance in () if self.locked else self.instances():
            for tar in instance.tars:
                found[tar] = (instance.level, self._message)
        return found

    def instances(self) -> tuple[Instance, ...]:
        """Give the applications of the registry."""
        return registered(self._memory)

    def _message(self, accepted: Accepted) -> bytes:
        return self._application.message(accepted.data)

    def _run(self, accepted: Accepted) -> bytes:
        """Run a script of either format. TS 102 226 clause 5."""
        cipher = self.keys.key_cipher(accepted.key_set_number)
        return scripts.run(accepted.data, lambda apdu: self.transact(apdu, cipher))

    def transact(self, apdu: CommandApdu, cipher: KeyCipher | None = None) -> ResponseApdu:
        """Do one command of content management; what fails has changed nothing.

        Keys come ciphered under `cipher`; without it none can.
        """
        try:
            with self._memory.transaction():
                command = globalplatform.decode(apdu)
                if isinstance(command, GetStatus):
                    return self._get_status(command)
                if isinstance(command, PutKey):
                    return ResponseApdu(SW.OK, self.keys.put(command, cipher))
                return ResponseApdu(SW.OK, self._do(command))
        except CardsyncError as exc:
            return ResponseApdu(status_word(exc))

    def _do(self, command: _Simple) -> bytes:
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
            case SetStatus():
                answer = self._set_status(command)
            case GetData():
                answer = self._data.object(command.tag, len(self.instances()))
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
        if set(tars) & set(self.handlers()) or any(tar[0] == _REMOTE_FILES for tar in tars):
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
            self._memory.write(_cell(_LOCKED, instance.aid), b"")
            self._application.removed()
        return b"\0"

    def _set_status(self, command: SetStatus) -> bytes:
        """Lock an application or let it go again; other states it takes by itself. Clause 11.10."""
        aids = [one.aid for one in self.instances()]
        if command.part != RegistryPart.APPLICATIONS or command.state & 0x7F not in {
            0x03,
            _SELECTABLE,
        }:
            raise PeerError("no such state", answer=SW.CONDITIONS_NOT_SATISFIED)
        if command.aid not in aids:
            raise PeerError("no such application", answer=SW.REFERENCED_DATA_NOT_FOUND)
        locked = b"\1" if command.state & _LOCK else b""
        self._memory.write(_cell(_LOCKED, command.aid), locked)
        return b""

    def _get_status(self, command: GetStatus) -> ResponseApdu:
        """List what of one part of the registry has an AID that begins as asked. Clause 11.4.

        What does not fit one answer comes with the next command, which asks for what follows.
        """
        found = [one.encode() for one in self._entries(command) if one.aid.startswith(command.aid)]
        start = self._listed if command.following else 0
        self._listed = 0
        if not found[start:]:
            raise PeerError("nothing is listed", answer=SW.REFERENCED_DATA_NOT_FOUND)
        answer = b""
        for number, entry in enumerate(found[start:], start):
            if answer and len(answer) + len(entry) > _MOST_LISTED:
                self._listed = number
                return ResponseApdu(MORE_DATA, answer)
            answer += entry
        return ResponseApdu(SW.OK, answer)

    def _entries(self, command: GetStatus) -> list[RegistryEntry]:
        """Give the entries of one part of the registry."""
        if command.part is RegistryPart.ISSUER_SECURITY_DOMAIN:
            return [RegistryEntry(OWN_AID, _SECURED, _PRIVILEGES)]
        if command.part is RegistryPart.APPLICATIONS:
            state = _SELECTABLE | (_LOCK if self.locked else 0)
            return [RegistryEntry(one.aid, state, b"\0", one.load_file) for one in self.instances()]
        modules = (MODULE_AID,) if command.part is RegistryPart.LOAD_FILES_AND_MODULES else ()
        names = self._memory.names(_LOAD_FILES)
        aids = [bytes.fromhex(name[len(_LOAD_FILES) :]) for name in names]
        return [RegistryEntry(aid, _LOADED, modules=modules) for aid in aids]


def _cell(kind: str, aid: bytes) -> str:
    return kind + aid.hex()
