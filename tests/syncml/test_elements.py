"""The elements as values."""

from cardsync.syncml.elements import Cred, Location, Message, Meta, SyncHdr, Version


def test_versions() -> None:
    """What VerDTD and VerProto say. Representation Protocol 1.2 clauses 6.1.24 and 6.1.25."""
    said = [(version.dtd, version.proto) for version in Version]

    assert [("1.0", "SyncML/1.0"), ("1.1", "SyncML/1.1"), ("1.2", "SyncML/1.2")] == said


def test_credentials_do_not_show() -> None:
    """The data of credentials is a secret, wherever they stand."""
    cred = Cred(b"dXNlcjpodW50ZXIy", Meta(type="syncml:auth-basic"))
    message = Message(SyncHdr("1", 1, Location("a"), Location("b"), cred=cred))

    assert "auth-basic" in repr(message)
    assert "dXNlcj" not in repr(message)
