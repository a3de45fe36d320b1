"""What a page that a developer happens to visit can ask of the emulator: the API, nothing else."""

import asyncio
import http.client

import pytest

from scripts.local.emulator.foreign_pages import ForeignPages
from scripts.local.emulator.lifecycle import Receive, Scope, Send
from tests.asgi import Request
from tests.emulated_app import Deployed

FUNCTIONS = "/2015-03-31/functions"
API = "/_aws/execute-api/a1b2c3/local/v1/models"


async def everything(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"yes"})


def status(path: str, **headers: str) -> int:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "headers": raw}
    return asyncio.run(Request(ForeignPages(everything), scope).run()).status


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example:4566",
        "null",
        "http://[evil",
        "",
    ],
)
def test_a_page_from_elsewhere_is_refused(origin: str) -> None:
    assert status(FUNCTIONS, origin=origin) == 403


def test_a_page_from_elsewhere_that_tells_no_origin_is_refused() -> None:
    assert status("/", sec_fetch_site="cross-site") == 403


@pytest.mark.parametrize(
    "origin", ["http://localhost:8080", "http://127.0.0.1:4566", "http://[::1]:8080"]
)
def test_a_page_of_this_machine_is_served(origin: str) -> None:
    assert status(FUNCTIONS, origin=origin, sec_fetch_site="same-site") == 200


def test_a_program_is_served() -> None:
    assert status(FUNCTIONS) == 200


def test_the_api_is_open_to_every_page() -> None:
    assert status(API, origin="https://chat.example", sec_fetch_site="cross-site") == 200


def test_the_running_emulator_lets_no_foreign_page_list_its_functions(deployed: Deployed) -> None:
    def answer(headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", deployed.emulator.port, timeout=20)
        try:
            connection.request("GET", f"{FUNCTIONS}/", headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    assert answer({}) == 200
    assert answer({"Origin": "https://evil.example"}) == 403
