"""What a stand-alone peer says of itself. Device Information 1.2."""

from pathlib import Path

import pytest

from cardsync.fleet.syncml_describe import describe
from cardsync.terminal.databases.sources import open_source


@pytest.mark.parametrize(
    ("content_type", "kinds"),
    [
        ("text/x-vcard", ["text/x-vcard"]),
        ("text/plain", []),
        ("*/*", ["text/x-vcard", "text/vcard", "text/x-vcalendar", "text/calendar"]),
    ],
)
def test_what_filters_may_ask(tmp_path: Path, content_type: str, kinds: list[str]) -> None:
    """A server names the grammar and the usual properties of each type; a client takes none."""
    source = open_source(f"db={tmp_path / 'db'}", content_type)
    (server,) = describe("1.2", "x", "server", [source]).datastores
    (client,) = describe("1.2", "x", "workstation", [source]).datastores
    source.close()

    assert ["syncml:filtertype-cgi"] == [each.type for each in server.filters]
    assert kinds == [each.content_type.type for each in server.filter_caps]
    assert all("UID" in each.properties for each in server.filter_caps)
    assert ((), ()) == (client.filters, client.filter_caps)
