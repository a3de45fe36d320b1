"""The deployed application of the emulator's tests, and ways to look at it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.emulated import Emulator, Reply, call

PASSWORD = "Correct-horse-7"
SIX_MIB = 6 * 1024 * 1024


@dataclass(frozen=True)
class Deployed:
    """The stack of the tests, and how to call it."""

    emulator: Emulator
    outputs: dict[str, str]

    def path(self, path: str) -> str:
        return f"/_aws/execute-api/{self.outputs['Api']}/v/{path}"

    def call(self, path: str, **options: Any) -> Reply:
        return call(self.emulator, self.path(path), **options)

    def tokens(self, pool: str) -> dict[str, str]:
        users = self.emulator.client("cognito-idp")
        pool_id, client_id = self.outputs[pool], self.outputs[f"{pool}Client"]
        name = {"Username": "ana", "UserPoolId": pool_id}
        if not users.list_users(UserPoolId=pool_id)["Users"]:
            users.admin_create_user(**name, MessageAction="SUPPRESS")
            users.admin_set_user_password(**name, Password=PASSWORD, Permanent=True)
        answer = users.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "ana", "PASSWORD": PASSWORD},
        )
        tokens: dict[str, str] = answer["AuthenticationResult"]
        return tokens


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come true"
        time.sleep(0.05)


def running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
