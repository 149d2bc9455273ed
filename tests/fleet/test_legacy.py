"""Terminals that lack the command: what they answer, what they claim, what their browser loads."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cardsync.fleet.legacy import CHARACTERS, Character, Kind, Phone, Unaware, open_page
from cardsync.toolkit.objects import Result
from cardsync.toolkit.profile import Feature
from mobiles import request


@pytest.mark.parametrize("character", CHARACTERS.values())
def test_profile(character: Character) -> None:
    """A terminal claims what it has; one kind claims the command, too, and has it not."""
    profile = character.profile

    assert character.claims == (Feature.REQUEST_SYNCHRONIZATION in profile)
    assert character.browser == (Feature.LAUNCH_BROWSER in profile)
    assert character.channels == (Feature.OPEN_CHANNEL in profile)
    assert Feature.LOCAL_INFORMATION in profile


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.AGENT])
def test_answer(kind: Kind) -> None:
    """30, 31, or nothing."""
    character = CHARACTERS[kind]
    unaware = Unaware(character.answer)
    response = unaware.take(request(), "", lambda: None)
    unaware.interrupt("")

    if character.answer is None:
        assert response is None
    else:
        assert response is not None
        assert Result(character.answer) == response.result


@pytest.mark.parametrize("browser", [True, False])
def test_phone(browser: bool) -> None:
    """Pages wait for the browser, if there is one."""
    phone = Phone(browser=browser)

    assert browser == phone.browse("http://x/")
    assert (["http://x/"] if browser else []) == phone.pages


@pytest.fixture
def site() -> Iterator[str]:
    """Serve a page, and none at another path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/good" else 410)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_open_page(site: str) -> None:
    """The status of HTTP, or nothing where there is no answer or no page."""
    assert 200 == open_page(f"{site}/good")
    assert 410 == open_page(f"{site}/bad")
    assert open_page("http://127.0.0.1:1/") is None
    assert open_page("file:///etc/hostname") is None
