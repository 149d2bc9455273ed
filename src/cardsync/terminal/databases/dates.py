"""When an item was changed, as it says itself: vCard REV, iCalendar LAST-MODIFIED and DTSTAMP."""

import re
from typing import Final

_DATE: Final = re.compile(
    rb"^(?:REV|LAST-MODIFIED|DTSTAMP)(?:;[^:\r\n]*)?:([0-9TZ:+-]+)", re.IGNORECASE | re.MULTILINE
)


def changed(data: bytes | None) -> str:
    """Give the latest date in an item, comparable as text; empty where there is none."""
    found = [re.sub(rb"[^0-9]", b"", date) for date in _DATE.findall(data or b"")]
    return max(found, default=b"").decode()


def newer(ours: bytes | None, theirs: bytes | None) -> bool:
    """Say whether ours is the newer one; without a date on both sides theirs is."""
    return bool(changed(theirs)) and changed(ours) > changed(theirs)
