"""The issuer security domain: loading, installing, personalising, deleting applications.

GlobalPlatform Card Specification 2.3 clause 11, TS 102 226 clause 8. The registry, a load that
is under way and data to be stored are cells of memory: an interrupted load goes on with its next
block after a reset, or begins anew with INSTALL [for load]; an application is never half there.
"""

from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

from cardsync.card import scripts
from cardsync.card.card_data import CardData
from cardsync.card.key_store import DomainKeys
from cardsync.card.memory import Memory
from cardsync.card.pieces import Pieces
from cardsync.card.requester import Requester
from cardsync.card.secured import Handler
from cardsync.card.status import status_word
from cardsync.errors import CardsyncError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.octets.reader import Reader
from cardsync.ota import globalplatform
from cardsync.ota.application import (
    ISSUER_DOMAIN_TAR,
    MODULE_AID,
    REQUESTER_MODULE_AID,
    ApplicationImage,
)
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
from cardsync.ota.install import (
    TRUSTED_PATH,
    InstallForInstall,
    InstallForLoad,
    InstallForPersonalization,
    encode_lv,
)
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
_MOST_INSTANCES = 16
_MODULES = (MODULE_AID, REQUESTER_MODULE_AID)
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

    def asked(self, aid: bytes) -> None:
        """Hear another application of the card; raise `PeerError` if it is not to be heard."""

    def removed(self) -> None:
        """Forget everything: the application is deleted."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of the registry: an application, what it was made of, its TARs and least security.

    `privileges` are one or three octets, as INSTALL gave them. GlobalPlatform clause 11.1.2.
    """

    aid: bytes
    load_file: bytes
    level: SecurityLevel
    tars: tuple[bytes, ...]
    module: bytes = MODULE_AID
    privileges: bytes = b"\0"

    @property
    def manages(self) -> bool:
        """Whether it is the device-management application."""
        return self.module == MODULE_AID

    @property
    def may_ask(self) -> bool:
        """Whether it may speak to another application: the privilege Trusted Path."""
        return bool(self.privileges[1:] and self.privileges[1] & TRUSTED_PATH[1])

    def encode(self) -> bytes:
        """Give the octets of the cell."""
        named = encode_lv(self.load_file, self.module, self.privileges)
        return bytes([int(self.level)]) + named + b"".join(self.tars)

    @classmethod
    def decode(cls, aid: bytes, cell: bytes) -> Self:
        """Read the octets of the cell."""
        reader = Reader(cell)
        level = SecurityLevel.decode(reader.uint8())
        load_file, module, privileges = [reader.octets(reader.uint8()) for _ in range(3)]
        tars = tuple([reader.octets(3) for _ in range(len(reader) // 3)])
        return cls(aid, load_file, level, tars, module, privileges)


def registered(memory: Memory) -> tuple[Instance, ...]:
    """Give the applications in the registry of a card."""
    names = memory.names(_INSTANCES)
    aids = [bytes.fromhex(name[len(_INSTANCES) :]) for name in names]
    return tuple(
        [Instance.decode(aid, memory.read(name)) for aid, name in zip(aids, names, strict=True)]
    )


def is_locked(memory: Memory, instance: Instance) -> bool:
    """Say whether an application must be still. GlobalPlatform clause 5.3.1.4."""
    return bool(memory.read(_cell(_LOCKED, instance.aid)))


class SecurityDomain:
    """Manages the content of the card; `application` is the device-management one."""

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
        """Whether the device-management application must be still."""
        return any(one.manages and is_locked(self._memory, one) for one in self.instances())

    def handlers(self) -> dict[bytes, tuple[SecurityLevel, Handler]]:
        """Give who takes secured packets: for each TAR the least security and what is done."""
        found: dict[bytes, tuple[SecurityLevel, Handler]] = {
            ISSUER_DOMAIN_TAR: (SecurityLevel(), self._run)
        }
        for instance in self.instances():
            if not is_locked(self._memory, instance):
                handler = self._message if instance.manages else partial(self._told, instance.aid)
                found |= dict.fromkeys(instance.tars, (instance.level, handler))
        return found

    def instances(self) -> tuple[Instance, ...]:
        """Give the applications of the registry."""
        return registered(self._memory)

    def requester(self, beginning: bytes) -> Requester | None:
        """Give another application whose AID begins so, to be selected."""
        found = (one.aid for one in self.instances() if not one.manages)
        aid = next((aid for aid in found if aid.startswith(beginning)), None)
        return None if aid is None else Requester(aid, self.ask)

    def ask(self, aid: bytes) -> None:
        """Let an application ask the device-management one; raise `PeerError` without the right.

        The right has two halves: a privilege, given at its installation, and a rule of the policy.
        """
        caller = next((one for one in self.instances() if one.aid == aid), None)
        if caller is None or not caller.may_ask or is_locked(self._memory, caller):
            raise PeerError("without the right to ask", answer=SW.SECURITY_NOT_SATISFIED)
        if self.locked:
            raise PeerError("nobody is there to ask", answer=SW.CONDITIONS_NOT_SATISFIED)
        self._application.asked(aid)

    def _told(self, aid: bytes, _: Accepted) -> bytes:
        """Let an application that hears from outside ask for what it needs."""
        self.ask(aid)
        return b""

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
        self._check_installable(command)
        toolkit = command.parameters.toolkit
        tars = toolkit.tars if toolkit else ()
        if set(tars) & set(self.handlers()) or any(tar[0] == _REMOTE_FILES for tar in tars):
            raise PeerError("a TAR is taken", answer=SW.INCORRECT_DATA)
        # No packet below the domain's own level starts anything, whatever the parameters say.
        level = (toolkit.minimum if toolkit else None) or SecurityLevel()
        level = level if SecurityLevel().admits(level) else SecurityLevel()
        module, privileges = command.module, command.privileges
        named = Instance(command.application, command.load_file, level, tars, module, privileges)
        self._memory.write(_cell(_INSTANCES, named.aid), named.encode())
        return b"\0"

    def _check_installable(self, command: InstallForInstall) -> None:
        """Let each AID be there once, and one device-management application at most."""
        there, manages = self.instances(), command.module == MODULE_AID
        taken = any(one.aid == command.application or (manages and one.manages) for one in there)
        if taken or command.module not in _MODULES:
            raise PeerError("not installable", answer=SW.CONDITIONS_NOT_SATISFIED)
        if len(there) >= _MOST_INSTANCES:
            raise PeerError("too many applications", answer=SW.NOT_ENOUGH_MEMORY)

    def _personalise(self, command: InstallForPersonalization) -> bytes:
        if not self._manages(command.application):
            raise PeerError("no such application", answer=SW.REFERENCED_DATA_NOT_FOUND)
        self._personalising.begin(command.application)
        return b"\0"

    def _manages(self, aid: bytes) -> bool:
        return any(one.aid == aid and one.manages for one in self.instances())

    def _store_data(self, command: StoreData) -> bytes:
        whole = self._personalising.take(command.number, command.data, last=command.last)
        if whole is not None:
            aid, data = whole
            if not self._manages(aid):
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
            if instance.manages:
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
            return [self._entry(one) for one in self.instances()]
        modules = _MODULES if command.part is RegistryPart.LOAD_FILES_AND_MODULES else ()
        names = self._memory.names(_LOAD_FILES)
        aids = [bytes.fromhex(name[len(_LOAD_FILES) :]) for name in names]
        return [RegistryEntry(aid, _LOADED, modules=modules) for aid in aids]

    def _entry(self, one: Instance) -> RegistryEntry:
        state = _SELECTABLE | (_LOCK if is_locked(self._memory, one) else 0)
        return RegistryEntry(one.aid, state, one.privileges, one.load_file)


def _cell(kind: str, aid: bytes) -> str:
    return kind + aid.hex()
