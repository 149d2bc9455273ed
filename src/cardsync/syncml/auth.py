"""Who is on the other side: basic, MD5 digest and HMAC.

OMA SyncML Representation Protocol 1.2, "Security"; OMA DM Security 1.2 clause 5.4 for the HMAC,
which travels beside the message.
Nonces are octets here and base64 on the wire. Secrets never show in a repr. A challenge may ask
for more than we were told to show, never for less: whoever can change a message on its way could
otherwise ask for the password itself.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from hashlib import md5

from cardsync.errors import LocalError, PeerError
from cardsync.syncml.elements import Chal, Cred, Meta, SyncHdr, Version
from cardsync.syncml.status import StatusCode

HMAC_HEADER = "x-syncml-hmac"
_HMAC_FIELD = re.compile(r'\s*(\w+)\s*=\s*(?:"([^"]*)"|([^\s",]+))\s*(?:,|$)')


class Scheme(Enum):
    """How the password is shown, the most openly first; the value is the type of a Cred or a Chal.

    A MAC stands beside the message, never in a Cred, and is that of one message alone.
    """

    BASIC = "syncml:auth-basic"
    MD5 = "syncml:auth-md5"
    MAC = "syncml:auth-mac"


class AsksForLess(PeerError):
    """A peer asks for a scheme that shows the password more openly than ours."""

    def __init__(self, asked: Scheme, ours: Scheme) -> None:
        super().__init__(
            f"{asked.value} is asked for, which is less than {ours.value}; it was not shown",
            answer=StatusCode.UNAUTHORIZED,
        )


class Unproved(PeerError):
    """A peer has not shown that it is whom we expect."""


@dataclass(frozen=True, slots=True)
class Account:
    """What we show to a peer: user name, password octets, the nonce it gave us last.

    Without a scheme nothing is shown until the peer asks, and then what it asks for.
    """

    scheme: Scheme | None
    user: str
    password: bytes = field(repr=False)
    nonce: bytes = field(default=b"", repr=False)

    def meet(self, challenge: "Challenge") -> "Account":
        """Show what a peer asks for. Raises `AsksForLess`."""
        asked, order = challenge.scheme, list(Scheme)
        if self.scheme and order.index(asked) < order.index(self.scheme):
            raise AsksForLess(asked, self.scheme)
        return replace(self, scheme=asked, nonce=challenge.nonce)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a peer showed: `secret` is the password itself (BASIC) or a digest of it.

    `user` is empty where the peer left it out; with MD5 it is the LocName of the Source. A
    MAC is base64, and `body` the message that it stands beside.
    """

    scheme: Scheme
    user: str
    secret: bytes = field(repr=False)
    version: Version = Version.V1_2
    body: bytes = field(default=b"", repr=False)

    def matches(self, password: bytes, nonce: bytes = b"") -> bool:
        """Compare with the password that we know, in constant time."""
        if self.scheme is Scheme.BASIC:
            return hmac.compare_digest(password, self.secret)
        if self.scheme is Scheme.MAC:
            expected = _hmac(self.user, password, nonce, self.body)
        else:
            expected = digest(self.user, password, nonce, self.version)
        return hmac.compare_digest(expected, self.secret)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What we ask of a peer, or a peer of us, and the nonce for the next digest."""

    scheme: Scheme
    nonce: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class AuthResult:
    """The answer to a proof: who it is, or that it is nobody; what to show the next time."""

    ok: bool
    identity: str = ""
    challenge: Challenge | None = None


Authenticate = Callable[[Proof | None, str], AuthResult]
"""Judge what a peer (its LocURI) showed; None is shown where it gave no credentials."""


def judge(
    proof: Proof | None,
    passwords: Mapping[str, bytes],
    nonces: tuple[bytes, bytes],
    wanted: Scheme,
    *,
    least: Scheme = Scheme.BASIC,
) -> tuple[AuthResult, bytes]:
    """Compare what was shown with the password of its user; give the nonce of the next digest.

    `nonces` are the one that was given last, which is good for one success, and a fresh one.
    Without a proof, or with one below `least`, `wanted` is asked for.
    """
    order = list(Scheme)
    if proof and order.index(proof.scheme) < order.index(least):
        proof = None
    given, fresh = nonces
    scheme = proof.scheme if proof else wanted
    password = passwords.get(proof.user) if proof else None
    matches = proof is not None and proof.matches(password or b"", given)
    if scheme is Scheme.BASIC:
        ok = matches and password is not None
        return _result(proof, None if ok else Challenge(scheme), ok=ok), given
    # A digest over no nonce could be one that somebody has seen and repeats.
    ok = matches and password is not None and bool(given)
    nonce = given if given and not ok else fresh
    return _result(proof, Challenge(scheme, nonce), ok=ok), nonce


def _result(proof: Proof | None, challenge: Challenge | None, *, ok: bool) -> AuthResult:
    return AuthResult(ok, proof.user if proof and ok else "", challenge)


def digest(user: str, password: bytes, nonce: bytes, version: Version) -> bytes:
    """Compute the 16 octets of the MD5 scheme.

    1.1 and later: H(B64(H(user:password)):nonce); 1.0: H(user:password:nonce).
    """
    pair = user.encode() + b":" + password
    if version is not Version.V1_0:
        pair = base64.b64encode(_md5(pair))
    return _md5(pair + b":" + nonce)


def credential(account: Account | None, version: Version, *, terse: bool = False) -> Cred | None:
    """Show an account to the peer; None where there is nothing to show in the message itself.

    `terse` leaves out of a basic one what WBXML may do without: the type, which is the default,
    and base64, which "MUST" be in the "clear-text, XML representation". Clause 6, Cred.
    """
    if account is None or account.scheme in (None, Scheme.MAC):
        return None
    if account.scheme is Scheme.BASIC:
        shown = account.user.encode() + b":" + account.password
        if terse:
            return Cred(shown)
    else:
        shown = digest(account.user, account.password, account.nonce, version)
    return Cred(base64.b64encode(shown), Meta(format="b64", type=account.scheme.value))


def name(account: Account | None) -> str | None:
    """Name the user beside the Source, where what is shown of him does not name him.

    A digest does not, nor does nothing; a server can make its nonce for him then.
    """
    return account.user if account and account.scheme in (None, Scheme.MD5) else None


def proof(header: SyncHdr) -> Proof | None:
    """Read the credentials of a header; None where it has none.

    Raises PeerError (answer 406 for a scheme that is not ours, 401 for what is malformed).
    """
    return read(header.cred, header.source.name or header.source.uri, header.version)


def read(cred: Cred | None, name: str, version: Version) -> Proof | None:
    """Read credentials, as `proof` does; `name` is the user's where a digest leaves it out."""
    if cred is None:
        return None
    scheme = _scheme(cred.meta)
    if scheme is Scheme.MAC:
        raise PeerError("a MAC in the message itself", answer=StatusCode.NOT_SUPPORTED)
    shown = _shown(cred, scheme)
    if scheme is Scheme.MD5:
        return Proof(scheme, name, shown, version)
    user, colon, password = shown.partition(b":")
    if not colon:
        raise PeerError("credentials have no colon", answer=StatusCode.UNAUTHORIZED)
    try:
        return Proof(scheme, user.decode(), password, version)
    except UnicodeDecodeError as exc:
        raise PeerError("user name is not UTF-8", answer=StatusCode.UNAUTHORIZED) from exc


def write_challenge(challenge: Challenge) -> Chal:
    """Write a challenge for a Status."""
    nonce = base64.b64encode(challenge.nonce).decode() if challenge.nonce else None
    name = challenge.scheme.value.replace("-mac", "-MAC")  # as OMA DM Security 1.2 writes it
    return Chal(Meta(format="b64", type=name, next_nonce=nonce))


def read_challenge(chal: Chal) -> Challenge:
    """Read the challenge of a Status. Raises PeerError for a scheme that is not ours.

    Some old servers give a nonce as it is, and no Format with it.
    """
    scheme, nonce = _scheme(chal.meta), (chal.meta.next_nonce or "").encode()
    try:
        return Challenge(scheme, _base64(nonce))
    except PeerError:
        if chal.meta.format is not None:
            raise
        return Challenge(scheme, nonce)


def write_hmac(account: Account, body: bytes) -> str:
    """Give the value of the transport's `x-syncml-hmac` for a message of ours.

    Raises LocalError for a user whose name cannot stand in quotes.
    """
    if '"' in account.user or not account.user.isprintable():
        raise LocalError("a user's name beside a message is visible and has no quotes")
    mac = _hmac(account.user, account.password, account.nonce, body).decode()
    return f'algorithm=MD5, username="{account.user}", mac={mac}'


def mac_proof(value: str | None, body: bytes) -> Proof | None:
    """Read the `x-syncml-hmac` of a message, if any; another algorithm matches no password."""
    if value is None:
        return None
    fields = _hmac_fields(value)
    ours = fields.get("algorithm", "MD5").upper() == "MD5"
    shown = fields.get("mac", "").encode() if ours else b""
    return Proof(Scheme.MAC, fields.get("username", ""), shown, body=body)


def _hmac_fields(value: str) -> dict[str, str]:
    return {str(m[1]).lower(): str(m[2] or m[3] or "") for m in _HMAC_FIELD.finditer(value)}


def _hmac(user: str, password: bytes, nonce: bytes, body: bytes) -> bytes:
    """B64(H(B64(H(user:password)):nonce:B64(H(body)))), OMA DM Security 1.2 clause 5.4.2."""
    pair = base64.b64encode(_md5(user.encode() + b":" + password))
    return base64.b64encode(_md5(b":".join((pair, nonce, base64.b64encode(_md5(body))))))


def _md5(octets: bytes) -> bytes:
    """MD5, because the protocol of the year 2000 says so; it protects nothing else of ours."""
    return md5(octets, usedforsecurity=False).digest()


def _scheme(meta: Meta | None) -> Scheme:
    """Read the scheme; the default is basic."""
    name = meta.type.strip().lower() if meta and meta.type else Scheme.BASIC.value
    try:
        return Scheme(name)
    except ValueError as exc:
        raise PeerError("unknown credential scheme", answer=StatusCode.NOT_SUPPORTED) from exc


def _shown(cred: Cred, scheme: Scheme) -> bytes:
    """Undo base64, which has no colon; in WBXML what is shown may stand there as it is."""
    if scheme is Scheme.MD5 and len(cred.data) == 16:
        return cred.data
    if scheme is Scheme.BASIC and b":" in cred.data:
        return cred.data
    return _base64(cred.data)


def _base64(octets: bytes) -> bytes:
    try:
        return base64.b64decode(octets.strip(), validate=True)
    except binascii.Error as exc:
        raise PeerError("not base64", answer=StatusCode.UNAUTHORIZED) from exc
