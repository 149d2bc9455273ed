"""The issuer security domain: loading, installing, personalising, deleting applications.

GlobalPlatform Card Specification 2.3 clause 11, TS 102 226 clause 8. The registry, a load that
is under way and data to be stored are cells of memory: an interrupted load goes on with its next
block after a reset, or begins anew with INSTALL [for load]; an application is never half there.
"""

from functools import partial
from typing import Protocol

from cardsync.card import scripts
from cardsync.card.card_data import CardData
from cardsync.card.key_store import DomainKeys
from cardsync.card.memory import Memory
from cardsync.card.pieces import Pieces
from cardsync.card.registry import CardState, Instance, Registry
from cardsync.card.requester import Requester
from cardsync.card.secured import Handler, least_level
from cardsync.card.status import status_word
from cardsync.errors import CardsyncError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.ota import globalplatform
from cardsync.ota.application import (
    ISSUER_DOMAIN_TAR,
    MACHINE,
    MODULE_AID,
    MODULES,
    ApplicationImage,
)
from cardsync.ota.channel_keys import KeyCipher
from cardsync.ota.globalplatform import Delete, GetData, GetStatus, Load, SetStatus, StoreData
from cardsync.ota.install import (
    InstallForInstall,
    InstallForLoad,
    InstallForMakeSelectable,
    InstallForPersonalization,
    ToolkitParameters,
)
from cardsync.ota.key_commands import DeleteKey, PutKey
from cardsync.ota.packet import SecurityLevel
from cardsync.ota.session import Accepted

_MOST_LOAD_FILES = 8
_MOST_INSTANCES = 16
_REMOTE_FILES = 0xB0  # TARs of remote file management begin so. TS 101 220 annex D
_WHEN_LOCKED = GetData | GetStatus | SetStatus


_Simple = (
    InstallForLoad
    | InstallForInstall
    | InstallForMakeSelectable
    | InstallForPersonalization
    | Load
    | StoreData
    | Delete
    | DeleteKey
    | SetStatus
    | GetData
)
"""Commands whose answer is `90 00` or an error."""


class Application(Protocol):
    """An application as its domain sees it."""

    def installed(self, granted: ToolkitParameters) -> None:
        """Keep what INSTALL granted."""

    def personalise(self, data: bytes) -> None:
        """Take the data of STORE DATA, whole; raise `PeerError` with a status word."""

    def message(self, data: bytes) -> bytes:
        """Take what a secured packet brought; give the additional data of its proof."""

    def asked(self, aid: bytes) -> None:
        """Hear another application of the card; raise `PeerError` if it is not to be heard."""

    def removed(self) -> None:
        """Forget everything: the application is deleted."""


class SecurityDomain:
    """Manages the content of the card; `application` is the device-management one."""

    def __init__(self, memory: Memory, application: Application) -> None:
        self._memory = memory
        self._application = application
        self._loading = Pieces(memory, "load")
        self._personalising = Pieces(memory, "store")
        self._data = CardData(memory)
        self._registry = Registry(memory)
        self.keys = DomainKeys(memory)

    @property
    def state(self) -> CardState:
        """The state of the card."""
        return self._registry.state

    @property
    def still(self) -> bool:
        """Whether the device-management application must do nothing."""
        return any(one.manages and self._registry.is_still(one.aid) for one in self.instances())

    def handlers(self) -> dict[bytes, tuple[SecurityLevel, Handler]]:
        """Give who takes secured packets: for each TAR the least security and what is done."""
        found: dict[bytes, tuple[SecurityLevel, Handler]] = {
            ISSUER_DOMAIN_TAR: (least_level(self._memory), self._run)
        }
        for instance in self.instances():
            if not self._registry.is_still(instance.aid):
                handler = self._message if instance.manages else partial(self._told, instance.aid)
                found |= dict.fromkeys(instance.tars, (instance.level, handler))
        return found

    def instances(self) -> tuple[Instance, ...]:
        """Give the applications of the registry."""
        return self._registry.instances()

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
        if caller is None or not caller.may_ask or self._registry.is_still(caller.aid):
            raise PeerError("without the right to ask", answer=SW.SECURITY_NOT_SATISFIED)
        if self.still:
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
                self._check_state(command)
                if isinstance(command, GetStatus):
                    return self._registry.listing(command)
                if isinstance(command, PutKey):
                    return ResponseApdu(SW.OK, self.keys.put(command, cipher))
                return ResponseApdu(SW.OK, self._do(command))
        except CardsyncError as exc:
            return ResponseApdu(status_word(exc))

    def _check_state(self, command: globalplatform.Command) -> None:
        """Raise `PeerError` (6985) for what a locked card does not do. Clauses 5.1.1.4, 5.1.1.5."""
        terminated = self.state is CardState.TERMINATED
        allowed = isinstance(command, GetData if terminated else _WHEN_LOCKED)
        if self.state >= CardState.CARD_LOCKED and not allowed:
            raise PeerError("the card is locked", answer=SW.CONDITIONS_NOT_SATISFIED)

    def _do(self, command: _Simple) -> bytes:
        match command:
            case Load():
                answer = self._load(command)
            case StoreData():
                answer = self._store_data(command)
            case Delete():
                answer = self._delete(command)
            case DeleteKey():
                answer = self.keys.delete(command)
            case SetStatus():
                answer = self._registry.set_status(command)
            case GetData():
                answer = self._data.object(command.tag, len(self.instances()))
            case _:
                answer = self._install_step(command)
        return answer

    def _install_step(self, command: globalplatform.Install) -> bytes:
        """INSTALL of any kind. Clause 11.5."""
        match command:
            case InstallForLoad():
                self._install_for_load(command)
            case InstallForInstall():
                self._install(command)
            case InstallForMakeSelectable():
                self._registry.make_selectable(command.application)
            case InstallForPersonalization():
                self._personalise(command)
        return b"\0"

    def _install_for_load(self, command: InstallForLoad) -> None:
        """Wait for a load file; one with the same AID works on until the new one is whole."""
        others = [aid for aid in self._registry.load_files() if aid != command.load_file]
        if len(others) >= _MOST_LOAD_FILES:
            raise PeerError("too many load files", answer=SW.NOT_ENOUGH_MEMORY)
        self._loading.begin(command.load_file)

    def _load(self, command: Load) -> bytes:
        """Take the next block; a block that came already is taken as done."""
        whole = self._loading.take(command.number, command.data, last=command.last)
        if whole is not None:
            aid, data = whole
            image = ApplicationImage.decode(globalplatform.load_file_of(data))
            if image.machine > MACHINE:
                raise PeerError("it needs another machine", answer=SW.INCORRECT_DATA)
            self._registry.write_load_file(aid, image.encode())
        return b"\0"

    def _install(self, command: InstallForInstall) -> None:
        if command.load_file not in self._registry.load_files():
            raise PeerError("no such load file", answer=SW.REFERENCED_DATA_NOT_FOUND)
        self._check_installable(command)
        toolkit = command.parameters.any_toolkit()
        tars = toolkit.tars if toolkit else ()
        if set(tars) & set(self.handlers()) or any(tar[0] == _REMOTE_FILES for tar in tars):
            raise PeerError("a TAR is taken", answer=SW.INCORRECT_DATA)
        # No packet below the domain's own level starts anything, whatever the parameters say.
        least = least_level(self._memory)
        level = (toolkit.minimum if toolkit else None) or least
        level = level if least.admits(level) else least
        module, privileges = command.module, command.privileges
        named = Instance(command.application, command.load_file, level, tars, module, privileges)
        self._registry.write_instance(named, selectable=command.selectable)
        if named.manages:
            self._application.installed(toolkit or ToolkitParameters())

    def _check_installable(self, command: InstallForInstall) -> None:
        """Let each AID be there once, and one device-management application at most."""
        there, manages = self.instances(), command.module == MODULE_AID
        taken = any(one.aid == command.application or (manages and one.manages) for one in there)
        if taken or command.module not in MODULES:
            raise PeerError("not installable", answer=SW.CONDITIONS_NOT_SATISFIED)
        if len(there) >= _MOST_INSTANCES:
            raise PeerError("too many applications", answer=SW.NOT_ENOUGH_MEMORY)

    def _personalise(self, command: InstallForPersonalization) -> None:
        if not self._manages(command.application):
            raise PeerError("no such application", answer=SW.REFERENCED_DATA_NOT_FOUND)
        self._personalising.begin(command.application)

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
        if command.aid in self._registry.load_files():
            if made and not command.related:
                raise PeerError("it is in use", answer=SW.CONDITIONS_NOT_SATISFIED)
            self._registry.write_load_file(command.aid, b"")
        else:
            made = [one for one in self.instances() if one.aid == command.aid]
            if not made:
                raise PeerError("no such AID", answer=SW.REFERENCED_DATA_NOT_FOUND)
        for instance in made:
            self._registry.remove_instance(instance.aid)
            if instance.manages:
                self._application.removed()
        return b"\0"
