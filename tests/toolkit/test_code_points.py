"""Code points can be chosen, once. docs/request-synchronization.md, annex A."""

import pytest

from cardsync.errors import LocalError
from cardsync.toolkit import code_points
from cardsync.toolkit.code_points import CodePoints


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it a process that has used none yet."""
    monkeypatch.setattr(code_points, "_CHOICE", code_points._Choice(CodePoints()))


def test_chosen_before_use() -> None:
    """What is chosen first holds."""
    others = CodePoints(command=0xF6)
    code_points.choose(others)

    assert others == code_points.in_use()


def test_not_chosen_again() -> None:
    """What is in use stays; to choose the same again changes nothing."""
    assert CodePoints() == code_points.in_use()
    code_points.choose(CodePoints())

    with pytest.raises(LocalError, match="are in use"):
        code_points.choose(CodePoints(command=0xF6))


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": 0x21},
        {"command": 0xFF},
        {"event": 0x03},
        {"temporary": 0x20},
        {"permanent": 0x3A},
        {"tags": 0x7E01},
        {"profile_byte": 39},
    ],
    ids=str,
)
def test_numbers_that_are_assigned(wrong: dict[str, int]) -> None:
    """A number that the standard has given away, or that is none, is refused."""
    with pytest.raises(ValueError, match="is assigned or out of its range"):
        CodePoints(**wrong)
