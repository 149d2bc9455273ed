"""Selection: every way, and nothing changes where it fails."""

import pytest

from cardsync.card import profile
from cardsync.card.selection import FileError, Occurrence, Selection
from cardsync.card.tree import File, Structure, Tree
from cardsync.octets.apdu import SW

USIM = bytes.fromhex("A0000000871002FFFFFFFF8907090000")
ISIM = bytes.fromhex("A0000000871004FFFFFFFF8907090000")


def at(*identifiers: str) -> Selection:
    """Give a selection that went this way."""
    selection = Selection(profile.default().tree)
    for identifier in identifiers:
        selection.by_identifier(bytes.fromhex(identifier))
    return selection


def refused(selection: Selection, identifier: str) -> bool:
    """Say whether an identifier is refused, changing nothing."""
    before = (selection.directory, selection.file, selection.record, selection.application)
    with pytest.raises(FileError) as error:
        selection.by_identifier(bytes.fromhex(identifier))
    after = (selection.directory, selection.file, selection.record, selection.application)
    return (before, SW.FILE_NOT_FOUND) == (after, error.value.answer)


@pytest.mark.parametrize(
    ("way", "path"),
    [
        (("3F00",), "3F00"),
        (("2FE2",), "3F00/2FE2"),
        (("7FFF",), "3F00/7FFF"),
        (("7FFF", "6F07"), "3F00/7FFF/6F07"),
        (("7FFF", "6F07", "6F38"), "3F00/7FFF/6F38"),
        (("7FFF", "5F3B", "4F20"), "3F00/7FFF/5F3B/4F20"),
        (("7FFF", "5F3B", "7FFF"), "3F00/7FFF"),
        (("7F10", "7F20"), "3F00/7F20"),
        (("7F10", "5F3A", "7F10"), "3F00/7F10"),
        (("7F10", "5F3A", "5F3A"), "3F00/7F10/5F3A"),
        (("7F10", "5F3A", "4F3A", "3F00"), "3F00"),
        (("7FFF", "3F00", "7F20", "6F07"), "3F00/7F20/6F07"),
    ],
)
def test_by_identifier(way: tuple[str, ...], path: str) -> None:
    """In the directory, above it, beside it, and the MF. TS 102 221 clause 8.4.1."""
    assert path == at(*way).target.path


@pytest.mark.parametrize(
    ("way", "identifier"),
    [
        ((), "6F07"),
        (("7FFF",), "2FE2"),
        (("7F10",), "6F07"),
        (("7FFF", "5F3B"), "6F07"),
        ((), "00"),
    ],
)
def test_not_from_here(way: tuple[str, ...], identifier: str) -> None:
    """A file elsewhere is not found, also not one beside the directory above."""
    assert refused(at(*way), identifier)


@pytest.mark.parametrize(
    ("path", "from_mf", "expected"),
    [
        ("7F105F3A4F30", True, "3F00/7F10/5F3A/4F30"),
        ("3F007F10", True, "3F00/7F10"),
        ("7FFF6F07", True, "3F00/7FFF/6F07"),
        ("", True, "3F00"),
        ("5F3A4F30", False, "3F00/7F10/5F3A/4F30"),
    ],
)
def test_by_path(path: str, from_mf: bool, expected: str) -> None:
    """From the MF or from the directory. TS 102 221 clause 8.4.2."""
    assert expected == at("7F10").by_path(bytes.fromhex(path), from_mf=from_mf).path


@pytest.mark.parametrize("path", ["6F07", "7FFF2FE2", "7F", "7FFF7FFF"])
def test_no_such_path(path: str) -> None:
    """A path that leads nowhere is refused."""
    with pytest.raises(FileError) as error:
        at().by_path(bytes.fromhex(path), from_mf=True)

    assert SW.FILE_NOT_FOUND == error.value.answer


def test_parent() -> None:
    """One up, but not above the MF. TS 102 221 clause 11.1.1.2."""
    selection = at("7F10", "5F3A")

    assert ["3F00/7F10", "3F00"] == [selection.parent().path for _ in range(2)]
    with pytest.raises(FileError):
        selection.parent()


@pytest.mark.parametrize("aid", [USIM, USIM[:7], USIM[:5]])
def test_by_aid(aid: bytes) -> None:
    """By the whole AID or its beginning. TS 102 221 clause 8.4.2.3."""
    assert "3F00/7FFF" == at("7F10").by_aid(aid).path


@pytest.mark.parametrize("aid", [b"", USIM[:4], ISIM, USIM + b"\0"])
def test_another_aid(aid: bytes) -> None:
    """Another application is not there."""
    with pytest.raises(FileError) as error:
        at().by_aid(aid)

    assert SW.FILE_NOT_FOUND == error.value.answer


def two_applications() -> Selection:
    """Give a card with two applications."""
    return Selection(
        Tree(
            [
                File("3F00", Structure.DIRECTORY),
                File("3F00/7FFF", Structure.DIRECTORY, aid=USIM),
                File("3F00/7FF1", Structure.DIRECTORY, aid=ISIM),
                File("3F00/7FF1/6F02", Structure.TRANSPARENT, 4),
            ]
        )
    )


def test_occurrences() -> None:
    """First, last, next and previous of those that begin so. TS 102 221 clause 11.1.1.2."""
    selection, aid = two_applications(), USIM[:5]
    order = (Occurrence.FIRST, Occurrence.NEXT, Occurrence.PREVIOUS, Occurrence.LAST)

    assert [USIM, ISIM, USIM, ISIM] == [selection.by_aid(aid, one).aid for one in order]
    with pytest.raises(FileError):
        selection.by_aid(aid, Occurrence.NEXT)


def test_next_without_first() -> None:
    """Without an active application NEXT is the first and PREVIOUS the last."""
    assert USIM == two_applications().by_aid(USIM[:5], Occurrence.NEXT).aid
    assert ISIM == two_applications().by_aid(USIM[:5], Occurrence.PREVIOUS).aid


def test_current_application() -> None:
    """7FFF is the application that is active, also from the MF. TS 102 221 clause 8.3."""
    selection = two_applications()
    selection.by_aid(ISIM)
    selection.by_identifier(bytes.fromhex("3F00"))

    assert "3F00/7FF1" == selection.by_identifier(bytes.fromhex("7FFF")).path
    assert "3F00/7FF1/6F02" == selection.by_path(bytes.fromhex("7FFF6F02"), from_mf=True).path
    selection.by_identifier(bytes.fromhex("3F00"))
    assert refused(selection, "7FF1")


def test_by_short() -> None:
    """By the short identifier in the directory, and only there. TS 102 221 clause 8.4.3."""
    selection = at("7FFF")

    assert "3F00/7FFF/6F07" == selection.by_short(7).path
    with pytest.raises(FileError):
        at().by_short(7)


def test_a_copy_goes_its_own_way() -> None:
    """Another channel begins where this one stands. TS 102 221 clause 11.1.17."""
    first = at("7FFF", "6F07")
    second = first.copy()
    second.by_identifier(bytes.fromhex("6F38"))

    assert ("3F00/7FFF/6F07", "3F00/7FFF/6F38") == (first.target.path, second.target.path)
    assert first.application is second.application


def test_a_card_without_applications() -> None:
    """7FFF is not there then."""
    assert refused(Selection(Tree([File("3F00", Structure.DIRECTORY)])), "7FFF")
