"""What is selected on one logical channel, and every way to select.

TS 102 221 clauses 8.4 and 11.1.1. A selection that fails changes nothing.
"""

from enum import IntEnum

from cardsync.card.tree import CURRENT_ADF, MF, File, Tree
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW

_SHORTEST_AID = 5


class FileError(PeerError):
    """An instruction for a file cannot be done; `answer` is the status word."""

    def __init__(self, sw: int, why: str = "the file does not allow it") -> None:
        super().__init__(why, answer=sw)


class Occurrence(IntEnum):
    """Which of several applications: bits 2 and 1 of P2. TS 102 221 clause 11.1.1.2."""

    FIRST = 0
    LAST = 1
    NEXT = 2
    PREVIOUS = 3


class Selection:
    """The current directory, EF, record and application of a channel; a reset makes a new one."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.directory = tree.master
        self.file: File | None = None
        self.record = 0  # of the EF; 0 while none was used
        self.application: File | None = None
        self.transfer: object = None  # of a data object, in blocks

    @property
    def target(self) -> File:
        """The EF, or the directory where none is selected."""
        return self.file or self.directory

    def copy(self) -> "Selection":
        """Give a selection that stands where this one does."""
        made = Selection(self._tree)
        made.directory, made.file, made.record = self.directory, self.file, self.record
        made.application = self.application
        return made

    def by_identifier(self, identifier: bytes) -> File:
        """Select a file in, above or beside the directory, or the MF. Clause 8.4.1."""
        name, here = identifier.hex().upper(), self.directory
        near = [f"{here.path}/{name}"]
        if name == MF:
            near = [MF]
        elif name == CURRENT_ADF:
            near = [self._current_adf()]
        found = self._tree.files.get(near[0])
        if found is None or (found.aid and name != CURRENT_ADF):
            found = self._beside(name)
        return self._take(found)

    def _beside(self, name: str) -> File | None:
        """Find the directory itself, the one above it, or one beside it."""
        here = self.directory
        if name == here.path[-4:] and not here.aid:
            return here
        if name == here.parent[-4:]:
            return self._tree.files.get(here.parent)
        found = self._tree.files.get(f"{here.parent}/{name}")
        return found if found and found.directory and not found.aid else None

    def by_path(self, octets: bytes, *, from_mf: bool) -> File:
        """Select by path from the MF or from the directory. Clause 8.4.2."""
        if len(octets) % 2:
            raise FileError(SW.FILE_NOT_FOUND, "a path of half an identifier")
        names = [octets[at : at + 2].hex().upper() for at in range(0, len(octets), 2)]
        start = MF if from_mf else self.directory.path
        if names[:1] == [CURRENT_ADF] and from_mf:
            start, names = self._current_adf(), names[1:]
        elif names[:1] == [MF] and from_mf:
            names = names[1:]
        return self._take(self._tree.files.get("/".join([start, *names])))

    def parent(self) -> File:
        """Select the directory above. Clause 11.1.1.2."""
        here = self.directory
        if here.path == MF:
            raise FileError(SW.FILE_NOT_FOUND, "nothing is above the MF")
        return self._take(self._tree.files.get(here.parent))

    def by_aid(self, aid: bytes, occurrence: Occurrence = Occurrence.FIRST) -> File:
        """Select an application by its AID or the beginning of it. Clause 8.4.2.3."""
        if len(aid) < _SHORTEST_AID:
            raise FileError(SW.FILE_NOT_FOUND, "an AID is too short")
        found = [one for one in self._tree.applications if one.aid.startswith(aid)]
        if occurrence in {Occurrence.NEXT, Occurrence.PREVIOUS}:
            found = self._after(found, backwards=occurrence is Occurrence.PREVIOUS)
        if not found:
            raise FileError(SW.FILE_NOT_FOUND, "no such application")
        return self._take(found[-1 if occurrence is Occurrence.LAST else 0])

    def terminate(self, aid: bytes) -> None:
        """End the session of the application that is active. Clause 8.5.1.3."""
        if self.application is None or not self.application.aid.startswith(aid):
            raise FileError(SW.FILE_NOT_FOUND, "that application is not active")
        self._take(self._tree.master)
        self.application = None

    def _after(self, found: list[File], *, backwards: bool) -> list[File]:
        """Give the applications behind, or before, the one that is active."""
        if self.application not in found:
            return found[::-1] if backwards else found
        place = found.index(self.application)
        return found[:place][::-1] if backwards else found[place + 1 :]

    def by_short(self, short: int) -> File:
        """Select the EF of the directory that has a short identifier. Clause 8.4.3."""
        return self._take(self._tree.by_short(self.directory.path, short))

    def _current_adf(self) -> str:
        """Give the path of the active application, or of the first where none is yet."""
        if self.application:
            return self.application.path
        return self._tree.applications[0].path if self._tree.applications else ""

    def _take(self, found: File | None) -> File:
        if found is None:
            raise FileError(SW.FILE_NOT_FOUND, "no such file")
        if found.directory:
            self.directory, self.file = found, None
            self.application = self._tree.application(found.path) or self.application
        else:
            self.directory, self.file = self._tree.files[found.parent], found
        self.record, self.transfer = 0, None
        return found
