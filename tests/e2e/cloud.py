"""The laptop cloud of the tests, brought up by `kit local up` in a folder of its own."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import boto3
import httpx

from scripts.local.launcher.layout import Layout
from scripts.local.launcher.processes import command_line, end_group

ROOT = Path(__file__).parents[2]
MODEL = "smollm2-135m-instruct"
UP_WITHIN_S = 600
REPLY_WITHIN_S = 60


class CannotRunError(Exception):
    """Something outside the repository is missing on this machine."""


@dataclass(frozen=True)
class User:
    """A signed-in user, and HTTP in their name. Paths begin with `/v1`, as in the document."""

    email: str
    token: str
    api_url: str

    @cached_property
    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.api_url,
            headers={"authorization": f"Bearer {self.token}"},
            timeout=REPLY_WITHIN_S,
            trust_env=False,
            verify=False,  # noqa: S501 plain HTTP; reading the system's certificates takes 70 ms
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @property
    def base_url(self) -> str:
        """What OpenAI's clients are given."""
        return f"{self.api_url}/v1"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def delete(self, path: str) -> httpx.Response:
        return self.client.delete(path)

    def post(self, body: Mapping[str, Any], **options: Any) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json=body, **options)

    def ask(self, text: str, **fields: Any) -> httpx.Response:
        """One question, buffered unless `stream` is among the fields."""
        return self.post(chat_body(text, **fields))


def chat_body(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


def said(reply: httpx.Response) -> str:
    """The text of a whole reply."""
    assert reply.status_code == 200, reply.text
    text: str = reply.json()["choices"][0]["message"]["content"]
    return text


class Cloud:
    """One laptop cloud; `up` with another model restarts what must be, the state stays."""

    def __init__(
        self, folder: Path, *, port: int, sagemaker_port: int, enforce_iam: bool = False
    ) -> None:
        self.folder = folder
        self._flags = ("--enforce-iam",) if enforce_iam else ()
        self._ports = {"KIT_LOCAL_PORT": str(port), "KIT_LOCAL_SAGEMAKER_PORT": str(sagemaker_port)}
        self._model_url: str | None = None

    def up(self, *, model_url: str | None) -> None:
        """Start, deploy or mend; `model_url` None lets the real model answer.

        Raises:
            CannotRunError: the machine is too small, or the first installation has no network.
        """
        self._model_url = model_url
        done = self.kit("local", "up", "--quiet", *self._flags, timeout_s=UP_WITHIN_S)
        if done.returncode:
            if "are needed" in done.stderr or "needs the network" in done.stderr:
                raise CannotRunError(done.stderr.strip())
            raise AssertionError(f"{done.stderr}\n{self._log_ends()}")

    def down(self) -> None:
        """End it, and whatever did not end by itself."""
        self.kit("local", "down")
        for note in self.folder.glob("*.pid"):
            pid = int(note.read_text().split()[0])
            if command_line(pid):
                end_group(pid, grace_s=5)

    def kit(self, *words: str, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "scripts.kit.main", *words],
            cwd=ROOT,
            env=self._env(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def _env(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("KIT_", "OPENAI_"))}
        own = {"KIT_LOCAL_DIR": str(self.folder), "KIT_CONFIG_DIR": str(self.folder / "config")}
        model = {"KIT_LOCAL_MODEL_URL": self._model_url} if self._model_url else {}
        return clean | own | self._ports | model

    @cached_property
    def outputs(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "outputs.json").read_text())
        return found

    @property
    def api_url(self) -> str:
        return self.outputs["base_url"].removesuffix("/v1")

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.outputs["endpoint_url"],
            region_name=self.outputs["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def invited(self, email: str) -> User:
        """A user as an operator adds them: `kit users add`, then the first sign-in."""
        done = self.kit("users", "add", email, "--json")
        assert done.returncode == 0, done.stderr
        password: str = json.loads(done.stdout)["temporary_password"]
        cognito, client_id = self.client("cognito-idp"), self.outputs["cli_client_id"]
        asked = self._sign_in(cognito, email, password)
        reply = cognito.respond_to_auth_challenge(
            ClientId=client_id,
            ChallengeName="NEW_PASSWORD_REQUIRED",
            Session=asked["Session"],
            ChallengeResponses={"USERNAME": email, "NEW_PASSWORD": _password()},
        )
        return User(email, reply["AuthenticationResult"]["IdToken"], self.api_url)

    def new_user(self) -> User:
        """A user whom nobody else knows: their sessions and limits are untouched."""
        tokens = self.tokens_of_a_new_user(self.outputs["user_pool_id"])
        return User(tokens["email"], tokens["IdToken"], self.api_url)

    def tokens_of_a_new_user(self, pool_id: str, client_id: str | None = None) -> dict[str, str]:
        cognito = self.client("cognito-idp")
        email, password = f"{secrets.token_hex(6)}@example.com", _password()
        who = {"UserPoolId": pool_id, "Username": email}
        named = [{"Name": "email", "Value": email}]
        cognito.admin_create_user(**who, MessageAction="SUPPRESS", UserAttributes=named)
        cognito.admin_set_user_password(**who, Password=password, Permanent=True)
        reply = self._sign_in(cognito, email, password, client_id)
        return {"email": email, **reply["AuthenticationResult"]}

    def _sign_in(
        self, cognito: Any, email: str, password: str, client_id: str | None = None
    ) -> dict[str, Any]:
        reply: dict[str, Any] = cognito.initiate_auth(
            ClientId=client_id or self.outputs["cli_client_id"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
        return reply

    def _log_ends(self) -> str:
        logs = sorted(Layout(ROOT, self.folder).logs.glob("*.log"))
        ends = (f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs)
        return "\n".join(ends)


def _password() -> str:
    return f"{secrets.token_urlsafe(18)}-aA1"
