"""The chat function outside the emulator, started as Lambda Web Adapter starts it in AWS."""

import base64
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.builders import a_request_context
from tests.chat_calls import Asked, Heard, ask
from tests.e2e.cloud import REPLY_WITHIN_S, ROOT, Cloud, User
from tests.e2e.victims import answers, wait_until
from tests.emulated import free_port
from tests.fault_proxy import FaultProxy


@contextmanager
def chat_function(cloud: Cloud, aws_url: str, log: Path) -> Iterator[str]:
    """Run the deployed function's settings and code against `aws_url`; yields its address."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(ROOT / "lambdas/functions/chat.sh")],
            env=_environment(cloud, aws_url, port),
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or answers(f"{url}/ready"), "it is ready")
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.kill()
        process.wait()


def _environment(cloud: Cloud, aws_url: str, port: int) -> dict[str, str]:
    name = f"{cloud.outputs['table_name']}-chat"
    found = cloud.client("lambda").get_function_configuration(FunctionName=name)
    settings: dict[str, str] = found["Environment"]["Variables"]
    python = ROOT / ".kit" / "function-venv" / "bin"
    return {
        **{name: value for name, value in settings.items() if name.startswith("KIT_")},
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_LWA_PORT": str(port),
        "KIT_LAYER_ROOT": str(_layer()),
        "LAMBDA_TASK_ROOT": str(ROOT),
        "PATH": f"{python}:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _layer() -> Path:
    """The chat layer that the toolchain has built for this machine's interpreter."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    (found,) = (ROOT / ".kit" / "layers").glob(f"chat-{machine}-*-{python}/")
    return found


@dataclass(frozen=True)
class FaultyAws:
    """A chat function, and the proxy that stands between it and the cloud."""

    client: httpx.Client
    proxy: FaultProxy


@contextmanager
def faulty_aws(cloud: Cloud, log: Path) -> Iterator[FaultyAws]:
    urls = [cloud.outputs[name] for name in ("endpoint_url", "sagemaker_runtime_url")]
    aws_port, runtime_port = (int(url.rpartition(":")[2]) for url in urls)
    proxy = FaultProxy(aws_port=aws_port, runtime_port=runtime_port)
    with (
        proxy.serving() as aws_url,
        chat_function(cloud, aws_url, log) as url,
        httpx.Client(base_url=url, timeout=REPLY_WITHIN_S, trust_env=False) as client,
    ):
        yield FaultyAws(client, proxy)


@dataclass(frozen=True)
class Caller:
    """A user of the cloud who calls the function as API Gateway would in their name."""

    user: User
    function: httpx.Client

    @cached_property
    def sub(self) -> str:
        claims = self.user.token.split(".")[1]
        padded = claims + "=" * (-len(claims) % 4)
        return str(json.loads(base64.urlsafe_b64decode(padded))["sub"])

    def ask(self, asked: Asked) -> Heard:
        heard = Heard(asked)
        context = json.dumps(a_request_context(self.sub))
        ask(self.function, heard, {"x-amzn-request-context": context})
        return heard

    def turns(self, session_id: str) -> list[dict[str, Any]]:
        reply = self.user.get(f"/v1/sessions/{session_id}?limit=100")
        if reply.status_code == 404:
            return []
        assert reply.status_code == 200, reply.text
        turns: list[dict[str, Any]] = reply.json()["turns"]["data"]
        return turns


class Shelf:
    """What the table keeps of a caller, read and changed behind the function's back."""

    def __init__(self, cloud: Cloud, caller: Caller) -> None:
        self._dynamodb = cloud.client("dynamodb")
        self._table = cloud.outputs["table_name"]
        self._partition = {"S": f"U#{caller.sub}"}

    def close(self) -> None:
        self._dynamodb.close()

    def items(self, prefix: str) -> list[dict[str, Any]]:
        reply = self._dynamodb.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": self._partition, ":prefix": {"S": prefix}},
        )
        found: list[dict[str, Any]] = reply["Items"]
        return found

    def tokens_counted(self) -> int:
        return sum(int(item.get("tokens", {"N": "0"})["N"]) for item in self.items("Q#2"))

    def streams_claimed(self) -> list[str]:
        claims: list[str] = [
            claim
            for item in self.items("Q#streams")
            for claim in item.get("running", {"SS": []})["SS"]
        ]
        return claims

    def end_leases(self, session_id: str) -> None:
        """As if 30 s had passed since the function was last heard of."""
        for item in self.items(f"S#{session_id}#T#"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"pk": item["pk"], "sk": item["sk"]},
                UpdateExpression="SET lease_until = :past",
                ExpressionAttributeValues={":past": {"N": "1"}},
            )
