"""Secure channel protocol 02, options 15 and 55: triple DES with two keys.

GlobalPlatform Card Specification 2.3 annex E: three static keys, explicit initiation, C-MAC over
the modified APDU whose chaining value is ciphered; option 55 adds a card challenge that needs no
chance. Kept for cards and tools of the field; SCP03 is the one to choose.
"""

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, modes

from cardsync.errors import PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.ota.channel_keys import (
    ChannelKeys,
    KeyCipher,
    KeyKind,
    encipher_block,
    pad,
    triple_des,
    unpad,
)
from cardsync.ota.channel_level import MAC_LENGTH, SECURED_CLASS, Level

_BLOCK = 8
_C_MAC, _S_ENC, _DEK = b"\x01\x01", b"\x01\x82", b"\x01\x81"  # table E-1


def _cbc(key: bytes, octets: bytes, icv: bytes = bytes(_BLOCK)) -> bytes:
    encryptor = Cipher(triple_des(key), modes.CBC(icv)).encryptor()
    return encryptor.update(octets) + encryptor.finalize()


def _session_key(key: bytes, constant: bytes, sequence: bytes) -> bytes:
    return _cbc(key, constant + sequence + bytes(12))


def _retail_mac(key: bytes, octets: bytes, icv: bytes) -> bytes:
    """Give the checksum of DES in CBC mode whose last block is triple DES. Clause B.1.2.2."""
    padded = pad(octets, _BLOCK)
    if len(padded) > _BLOCK:
        icv = _cbc(key[:_BLOCK], padded[:-_BLOCK], icv)[-_BLOCK:]
    return _cbc(key, padded[-_BLOCK:], icv)


def card_challenge(keys: ChannelKeys, sequence: bytes, aid: bytes) -> bytes:
    """Give the pseudo-random challenge of a card, six octets. Clause E.4.2.3."""
    return _retail_mac(_session_key(keys.mac, _C_MAC, sequence), aid, bytes(_BLOCK))[:6]


class Scp02:
    """A session: `host` is the host's challenge of 8 octets, `card` the card's of 6."""

    def __init__(self, keys: ChannelKeys, host: bytes, sequence: bytes, card: bytes) -> None:
        self._enc = _session_key(keys.enc, _S_ENC, sequence)
        self._mac = _session_key(keys.mac, _C_MAC, sequence)
        self.key_cipher = KeyCipher(KeyKind.DES, _session_key(keys.dek, _DEK, sequence))
        self.card_cryptogram = self._cryptogram(host + sequence + card)
        self.host_cryptogram = self._cryptogram(sequence + card + host)
        self._icv = b""

    def _cryptogram(self, octets: bytes) -> bytes:
        return _cbc(self._enc, pad(octets, _BLOCK))[-_BLOCK:]

    def protect(self, apdu: CommandApdu, level: Level) -> CommandApdu:
        """Sign and cipher a command as the level says. Clauses E.4.4 and E.4.6."""
        mac, data = self._sign(apdu, apdu.data), apdu.data
        if level & Level.C_DECRYPTION and data:
            data = _cbc(self._enc, pad(data, _BLOCK))
        return CommandApdu(SECURED_CLASS, apdu.ins, apdu.p1, apdu.p2, data + mac, apdu.le)

    def open(self, apdu: CommandApdu, level: Level) -> CommandApdu:
        """Decipher and check a command; raise `PeerError` (6982) for what is not the host's."""
        data, mac = apdu.data[:-MAC_LENGTH], apdu.data[-MAC_LENGTH:]
        if level & Level.C_DECRYPTION and data:
            data = unpad(self._decipher(data))
        icv = self._icv
        if not hmac.compare_digest(self._sign(apdu, data), mac):
            self._icv = icv
            raise PeerError("a wrong C-MAC", answer=SW.SECURITY_NOT_SATISFIED)
        return CommandApdu(SECURED_CLASS, apdu.ins, apdu.p1, apdu.p2, data, apdu.le)

    def protect_response(self, response: ResponseApdu, level: Level) -> ResponseApdu:
        """Give the response as it is: these options have no R-MAC."""
        del level
        return response

    open_response = protect_response

    def _sign(self, apdu: CommandApdu, data: bytes) -> bytes:
        """Sign plain data; the chaining value is ciphered by single DES. Clause E.3.4."""
        icv = bytes(_BLOCK)
        if self._icv:
            icv = encipher_block(KeyKind.DES, self._mac[:_BLOCK], self._icv)
        length = len(data) + MAC_LENGTH
        head = bytes([SECURED_CLASS, apdu.ins, apdu.p1, apdu.p2, length & 0xFF])
        self._icv = _retail_mac(self._mac, head + data, icv)
        return self._icv

    def _decipher(self, octets: bytes) -> bytes:
        if len(octets) % _BLOCK:
            raise PeerError("no whole blocks", answer=SW.SECURITY_NOT_SATISFIED)
        decryptor = Cipher(triple_des(self._enc), modes.CBC(bytes(_BLOCK))).decryptor()
        return decryptor.update(octets) + decryptor.finalize()
