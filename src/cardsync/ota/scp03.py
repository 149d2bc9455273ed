"""Secure channel protocol 03: AES keys, checksums and ciphering both ways.

GlobalPlatform Card Specification, Amendment D. One object is one session; either end protects
what it sends with it and checks what it gets.
"""

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from cardsync.errors import PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.ota.channel_keys import (
    ChannelKeys,
    KeyCipher,
    KeyKind,
    encipher_block,
    pad,
    unpad,
)
from cardsync.ota.channel_level import MAC_LENGTH, SECURED_CLASS, Level, is_answered

_BLOCK = 16
# Derivation constants. Amendment D table 4-1
_CARD, _HOST, _CHALLENGE, _S_ENC, _S_MAC, _S_RMAC = 0x00, 0x01, 0x02, 0x04, 0x06, 0x07
_RESPONSE = 0x80  # the first octet of the counter block of a response. Clause 6.2.7


def _cmac(key: bytes, octets: bytes) -> bytes:
    cmac = CMAC(AES(key))
    cmac.update(octets)
    return cmac.finalize()


def derive(key: bytes, constant: int, bits: int, context: bytes) -> bytes:
    """Derive `bits` from a static key: NIST SP 800-108 in counter mode. Clause 4.1.5."""
    label = bytes(11) + bytes([constant, 0]) + bits.to_bytes(2, "big")
    rounds = range(1, (bits // 8 + _BLOCK - 1) // _BLOCK + 1)
    whole = b"".join([_cmac(key, label + bytes([number]) + context) for number in rounds])
    return whole[: bits // 8]


def card_challenge(keys: ChannelKeys, sequence: bytes, aid: bytes) -> bytes:
    """Give the pseudo-random challenge of a card, which needs no chance. Clause 6.2.2.1."""
    return derive(keys.enc, _CHALLENGE, 64, sequence + aid)


class Scp03:
    """A session between the challenges of host and card, eight octets each."""

    def __init__(self, keys: ChannelKeys, host: bytes, card: bytes) -> None:
        context, bits = host + card, len(keys.enc) * 8
        self.key_cipher = KeyCipher(KeyKind.AES, keys.dek)
        self._enc = derive(keys.enc, _S_ENC, bits, context)
        self._mac = derive(keys.mac, _S_MAC, bits, context)
        self._rmac = derive(keys.mac, _S_RMAC, bits, context)
        self.card_cryptogram = derive(self._mac, _CARD, 64, context)
        self.host_cryptogram = derive(self._mac, _HOST, 64, context)
        self._chain = bytes(_BLOCK)
        self._counter = 0

    def protect(self, apdu: CommandApdu, level: Level) -> CommandApdu:
        """Cipher and sign a command as the level says. Clauses 6.2.4 and 6.2.6."""
        data = apdu.data
        if level & Level.C_DECRYPTION:
            self._counter += 1
            data = self._encipher(pad(data, _BLOCK)) if data else b""
        data += self._sign(apdu, data)
        return CommandApdu(SECURED_CLASS, apdu.ins, apdu.p1, apdu.p2, data, apdu.le)

    def open(self, apdu: CommandApdu, level: Level) -> CommandApdu:
        """Check and decipher a command; raise `PeerError` (6982) for what is not the host's."""
        data, mac = apdu.data[:-MAC_LENGTH], apdu.data[-MAC_LENGTH:]
        chain = self._chain
        if not hmac.compare_digest(self._sign(apdu, data), mac):
            self._chain = chain
            raise PeerError("a wrong C-MAC", answer=SW.SECURITY_NOT_SATISFIED)
        if level & Level.C_DECRYPTION:
            self._counter += 1
            data = unpad(self._decipher(data)) if data else b""
        return CommandApdu(SECURED_CLASS, apdu.ins, apdu.p1, apdu.p2, data, apdu.le)

    def protect_response(self, response: ResponseApdu, level: Level) -> ResponseApdu:
        """Cipher and sign a response; an error goes plain. Clauses 6.2.5 and 6.2.7."""
        if not level & Level.R_MAC or not is_answered(response.sw):
            return response
        data = response.data
        if level & Level.R_ENCRYPTION and data:
            data = self._encipher(pad(data, _BLOCK), _RESPONSE)
        return ResponseApdu(response.sw, data + self._sign_response(response.sw, data))

    def open_response(self, response: ResponseApdu, level: Level) -> ResponseApdu:
        """Check and decipher a response; raise `PeerError` for what is not the card's."""
        if not level & Level.R_MAC or not is_answered(response.sw):
            return response
        data, mac = response.data[:-MAC_LENGTH], response.data[-MAC_LENGTH:]
        if not hmac.compare_digest(self._sign_response(response.sw, data), mac):
            raise PeerError("a wrong R-MAC", answer=SW.SECURITY_NOT_SATISFIED)
        if level & Level.R_ENCRYPTION and data:
            data = unpad(self._decipher(data, _RESPONSE))
        return ResponseApdu(response.sw, data)

    def _sign(self, apdu: CommandApdu, data: bytes) -> bytes:
        length = len(data) + MAC_LENGTH
        head = bytes([SECURED_CLASS, apdu.ins, apdu.p1, apdu.p2, length & 0xFF])
        self._chain = _cmac(self._mac, self._chain + head + data)
        return self._chain[:MAC_LENGTH]

    def _sign_response(self, sw: int, data: bytes) -> bytes:
        return _cmac(self._rmac, self._chain + data + sw.to_bytes(2, "big"))[:MAC_LENGTH]

    def _cipher(self, first: int) -> "Cipher[modes.CBC]":
        block = bytes([first]) + self._counter.to_bytes(_BLOCK - 1, "big")
        return Cipher(AES(self._enc), modes.CBC(encipher_block(KeyKind.AES, self._enc, block)))

    def _encipher(self, octets: bytes, first: int = 0) -> bytes:
        encryptor = self._cipher(first).encryptor()
        return encryptor.update(octets) + encryptor.finalize()

    def _decipher(self, octets: bytes, first: int = 0) -> bytes:
        if len(octets) % _BLOCK:
            raise PeerError("no whole blocks", answer=SW.SECURITY_NOT_SATISFIED)
        decryptor = self._cipher(first).decryptor()
        return decryptor.update(octets) + decryptor.finalize()
