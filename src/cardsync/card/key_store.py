"""The keys of the issuer security domain: for its secure channel, and those of secured packets.

GlobalPlatform Card Specification 2.3 clauses 7.5 and 11.8, TS 102 226 clause 8.2.1.5. Versions 1
to 15 are key sets of secured packets: KIc, KID and the key under which new keys come (KIK); the
others are keys of the secure channel, each with its sequence counter. All are cells of memory.
"""

from collections.abc import Mapping, Sequence

from cardsync.card.memory import Memory
from cardsync.card.secured import forget_counter, read_key_sets, write_key_set
from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW
from cardsync.octets.reader import Reader
from cardsync.ota.channel_keys import ChannelKeys, KeyCipher, KeyKind, check_value
from cardsync.ota.key_commands import DeleteKey, PutKey
from cardsync.ota.security import Algorithm, Key, KeySet

_CHANNEL, _SEQUENCE, _KIK, _FAILED = "channel key:", "sequence:", "kik:", "failed:"
_LAST_KEY_SET = 15  # key versions 01 to 0F are of secured packets. TS 102 225 annex A
_MOST_VERSIONS = 16
_KEYS = 3  # of a version
_MOST_FAILURES = 32  # of hosts that do not prove themselves, one after the other
_METHOD_BLOCKED = 0x6983


def write_channel_keys(memory: Memory, keys: ChannelKeys) -> None:
    """Put keys of the secure channel into a card.

    The sequence counter of new keys begins anew; with the same ones as before it goes on, else a
    session that was recorded could be played again.
    """
    octets = bytes([keys.kind, len(keys.enc)]) + b"".join(keys)
    name = f"{_CHANNEL}{keys.version:02x}"
    if memory.read(name) != octets:
        memory.write(name, octets)
        memory.write(f"{_SEQUENCE}{keys.version:02x}", b"")
        memory.write(f"{_FAILED}{keys.version:02x}", b"")


def write_key_cipher(memory: Memory, number: int, cipher: KeyCipher) -> None:
    """Put the key of a key set under which new keys come (KIK) into a card."""
    memory.write(f"{_KIK}{number}", bytes([cipher.kind]) + cipher.key)


class DomainKeys:
    """The keys of a domain over the memory of its card."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def keys(self) -> dict[int, ChannelKeys]:
        """Give the keys of the secure channel by their version."""
        found = {}
        for name in self._memory.names(_CHANNEL):
            reader, version = Reader(self._memory.read(name)), int(name[len(_CHANNEL) :], 16)
            kind, length = KeyKind(reader.uint8()), reader.uint8()
            enc, mac, dek = (reader.octets(length) for _ in range(_KEYS))
            found[version] = ChannelKeys(version, kind, enc, mac, dek)
        return found

    def sequence(self, version: int) -> int:
        """Give the sequence counter of a version."""
        return int.from_bytes(self._memory.read(f"{_SEQUENCE}{version:02x}"), "big")

    def advance(self, version: int) -> None:
        """Count one session more."""
        value = (self.sequence(version) + 1).to_bytes(3, "big")
        self._memory.write(f"{_SEQUENCE}{version:02x}", value)

    def check_failures(self, version: int) -> None:
        """Raise `PeerError` (6983) for keys that too many hosts have tried without success."""
        if self._failures(version) >= _MOST_FAILURES:
            raise PeerError("the keys are blocked", answer=_METHOD_BLOCKED)

    def count_failure(self, version: int) -> None:
        """Count a host that did not prove itself."""
        self._memory.write(f"{_FAILED}{version:02x}", bytes([self._failures(version) + 1]))

    def forget_failures(self, version: int) -> None:
        """Begin to count anew: a host has proved itself."""
        self._memory.write(f"{_FAILED}{version:02x}", b"")

    def _failures(self, version: int) -> int:
        return int.from_bytes(self._memory.read(f"{_FAILED}{version:02x}"), "big")

    def key_cipher(self, number: int) -> KeyCipher | None:
        """Give the key under which keys come in packets of a key set, None if it has none."""
        octets = self._memory.read(f"{_KIK}{number}")
        return KeyCipher(KeyKind(octets[0]), octets[1:]) if octets else None

    def information(self) -> bytes:
        """Describe the keys: C0 with identifier, version, type and length of each.

        GlobalPlatform 2.3 clause 11.3.3.1.
        """
        return b"".join(
            bytes([0xC0, 4, identifier, version, kind, len(key)])
            for version, (kind, keys) in sorted(self._rows().items())
            for identifier, key in enumerate(keys, 1)
        )

    def _rows(self) -> dict[int, tuple[KeyKind, list[bytes]]]:
        """Give the kind and the keys of each version; one of packets may lack its KIK."""
        rows = {keys.version: (keys.kind, [*keys]) for keys in self.keys().values()}
        for number, key_set in read_key_sets(self._memory).items():
            cipher = self.key_cipher(number)
            keys = [key_set.kic.octets, key_set.kid.octets] + ([cipher.key] if cipher else [])
            rows[number] = (_kind(key_set.kic.algorithm), keys)
        return rows

    def put(self, command: PutKey, cipher: KeyCipher | None) -> bytes:
        """PUT KEY: three new keys of a version, or some of one that stays; give their check values.

        Raises `PeerError`: 6985 where no key can decipher them, 6A88 for a version to replace
        that is not there, 6A80 for what is not three keys of one kind, 6A84, 9485.
        """
        if cipher is None:
            raise PeerError("no key to decipher keys", answer=SW.CONDITIONS_NOT_SATISFIED)
        self._check_version(command)
        found = [cipher.unwrap(block) for block in command.keys]
        kind, keys = self._completed(command, found)
        try:
            self._write(command.version, kind, keys)
        except LocalError as exc:
            raise PeerError("no such keys", answer=SW.INCORRECT_DATA) from exc
        if command.replaces and command.replaces != command.version:
            self._remove(command.replaces)
        return bytes([command.version]) + b"".join([check_value(*one) for one in found])

    def _completed(
        self, command: PutKey, found: Sequence[tuple[KeyKind, bytes]]
    ) -> tuple[KeyKind, list[bytes]]:
        """Give the kind and the three keys that a version will have."""
        first, end = command.identifier - 1, command.identifier - 1 + len(found)
        kinds, keys = {kind for kind, _ in found}, [key for _, key in found]
        if (first, end) != (0, _KEYS) and command.replaces == command.version:
            kind, before = self._rows()[command.version]
            kinds.add(kind)
            keys = before[:first] + keys + before[end:]
        if first < 0 or end > _KEYS or len(keys) != _KEYS or len(kinds) != 1:
            raise PeerError("three keys of one kind are expected", answer=SW.INCORRECT_DATA)
        return kinds.pop(), keys

    def delete(self, command: DeleteKey) -> bytes:
        """DELETE the keys of a version; the last version stays, else nobody had a key.

        Raises `PeerError`: 6A88 for a version that is not there, 6985.
        """
        there = self.keys().keys() | read_key_sets(self._memory).keys()
        if command.version not in there:
            raise PeerError("no such version", answer=SW.REFERENCED_DATA_NOT_FOUND)
        if command.identifier is not None or len(there) == 1:
            raise PeerError("these keys stay together", answer=SW.CONDITIONS_NOT_SATISFIED)
        self._remove(command.version)
        return b"\0"

    def _check_version(self, command: PutKey) -> None:
        """Raise `PeerError` if a version cannot be added, or put in the place of another."""
        there = self.keys().keys() | read_key_sets(self._memory).keys()
        old, new = command.replaces, command.version
        if not 1 <= new <= 0x7F:
            raise PeerError("a version is 1 to 127", answer=SW.INCORRECT_DATA)
        if old and old not in there:
            raise PeerError("no such version", answer=SW.REFERENCED_DATA_NOT_FOUND)
        if old != new and (new in there or (old and _is_key_set(old) != _is_key_set(new))):
            raise PeerError("that version cannot be", answer=SW.INCORRECT_DATA)
        if not old and len(there) >= _MOST_VERSIONS:
            raise PeerError("too many versions", answer=SW.NOT_ENOUGH_MEMORY)

    def _write(self, version: int, kind: KeyKind, keys: Sequence[bytes]) -> None:
        if not _is_key_set(version):
            write_channel_keys(self._memory, ChannelKeys(version, kind, *keys))
            return
        key_set = KeySet(version, *(Key(_algorithm(kind, key), key) for key in keys[:2]))
        if read_key_sets(self._memory).get(version) != key_set:
            forget_counter(self._memory, version)  # under new keys no old packet is right
        write_key_set(self._memory, key_set)
        write_key_cipher(self._memory, version, KeyCipher(kind, keys[2]))

    def _remove(self, version: int) -> None:
        for kind in (_CHANNEL, _SEQUENCE, _FAILED):
            self._memory.write(f"{kind}{version:02x}", b"")
        self._memory.write(f"{_KIK}{version}", b"")
        if _is_key_set(version):
            self._memory.write(f"key:{version}", b"")
            forget_counter(self._memory, version)


def _is_key_set(version: int) -> bool:
    return version <= _LAST_KEY_SET


_ALGORITHMS: Mapping[tuple[KeyKind, int], Algorithm] = {
    (KeyKind.DES, 16): Algorithm.TRIPLE_DES_2,
    (KeyKind.DES, 24): Algorithm.TRIPLE_DES_3,
}


def _algorithm(kind: KeyKind, key: bytes) -> Algorithm:
    return _ALGORITHMS.get((kind, len(key)), Algorithm.AES)


def _kind(algorithm: Algorithm) -> KeyKind:
    return KeyKind.AES if algorithm is Algorithm.AES else KeyKind.DES
