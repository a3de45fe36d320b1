"""The laptop cloud of the benchmarks: the whole kit with the scripted model behind it."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.bench.figures import RESULTS, ROOT
from tests.emulated import free_port

PASSWORD = "Bench-mark-1-user"
PORT = int(os.environ.get("KIT_BENCH_PORT", "4586"))


@dataclass(frozen=True)
class Cloud:
    outputs: Mapping[str, str]
    model_url: str

    @property
    def model(self) -> str:
        return self.outputs["model"]

    @property
    def chat_url(self) -> str:
        return f"{self.outputs['base_url']}/chat/completions"

    def client(self, service: str) -> Any:
        make: Any = boto3.client
        return make(service, endpoint_url=self.outputs["endpoint_url"], region_name="us-east-1")

    def chat_variables(self) -> dict[str, str]:
        """What the template and the laptop cloud give the chat function."""
        found = self.client("lambda").get_function_configuration(FunctionName="kit-local-chat")
        variables: dict[str, str] = found["Environment"]["Variables"]
        return {
            **variables,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.outputs["endpoint_url"],
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.outputs["sagemaker_runtime_url"],
            "AWS_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def token_of(self, email: str) -> str:
        """The ID token of a user that is made when there is none of that name."""
        cognito = self.client("cognito-idp")
        who = {"UserPoolId": self.outputs["user_pool_id"], "Username": email}
        with contextlib.suppress(cognito.exceptions.UsernameExistsException):
            cognito.admin_create_user(**who, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(**who, Password=PASSWORD, Permanent=True)
        reply = cognito.initiate_auth(
            ClientId=self.outputs["cli_client_id"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
        )
        return str(reply["AuthenticationResult"]["IdToken"])


@contextlib.contextmanager
def cloud() -> Iterator[Cloud]:
    """Up for the session; its folder is kept, so that the next run need not deploy again."""
    folder = RESULTS / "cloud"
    with scripted_model() as model_url:
        environment = {
            **os.environ,
            "KIT_LOCAL_DIR": str(folder),
            "KIT_LOCAL_PORT": str(PORT),
            "KIT_LOCAL_SAGEMAKER_PORT": str(PORT + 1),
            "KIT_LOCAL_MODEL_URL": f"{model_url}/v1",
        }
        kit = Path(sys.executable).with_name("kit")
        subprocess.run([kit, "local", "up", "--quiet"], cwd=ROOT, env=environment, check=True)
        try:
            outputs = json.loads((folder / "outputs.json").read_text())
            yield Cloud(outputs, model_url)
        finally:
            subprocess.run([kit, "local", "down"], cwd=ROOT, env=environment, check=True)


@contextlib.contextmanager
def scripted_model() -> Iterator[str]:
    """The scripted model in a process of its own: it shares no interpreter with the client."""
    port = free_port()
    command = [sys.executable, "-m", "tests.scripted_model", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_until_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url):  # noqa: S310 loopback
            return
    raise AssertionError("the scripted model ended before it was healthy")
