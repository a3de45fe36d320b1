"""What holds for every test: no real account, no real network but loopback, no slow CDK checks."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "CDK_VALIDATION": "false",
}
_LOCAL_NAMES = {"", "localhost", "localhost.localdomain", None}


class NetworkClosedError(RuntimeError):
    """A test reached for the network; hand it a fake or a server on loopback."""


@pytest.fixture(scope="session", autouse=True)
def _nobodys_account() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in _ENVIRONMENT.items():
            environment.setenv(name, value)
        environment.delenv("AWS_PROFILE", raising=False)
        environment.delenv("AWS_ENDPOINT_URL", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _sockets_closed_but_for_loopback() -> Iterator[None]:
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            _check_local(address[0])
        connect(self, address)

    def guarded_look_up(host: Any, *rest: Any, **options: Any) -> Any:
        _check_local(host.decode() if isinstance(host, bytes) else host)
        return look_up(host, *rest, **options)

    with pytest.MonkeyPatch.context() as sockets:
        sockets.setattr(socket.socket, "connect", guarded_connect)
        sockets.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


def _check_local(host: str | None) -> None:
    if host in _LOCAL_NAMES or _is_loopback(str(host)):
        return
    raise NetworkClosedError(f"a test reached for {host!r}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.endswith(".localhost")
