"""`InvokeEndpointAsync`: accepted at once, the result written to S3 later."""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from scripts.local.sagemaker.deployments import AsyncPaths, Deployment
from scripts.local.sagemaker.faults import InvalidCallError, RuntimeServiceError
from scripts.local.sagemaker.invocations import Answer, Invocations

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)
PREFIX = "x-amzn-sagemaker-"
DEFAULT_LIMIT_S = 900


class Objects(Protocol):
    """Objects by S3 address."""

    def read(self, address: str) -> bytes: ...

    def write(self, address: str, content: bytes, content_type: str) -> None: ...


class S3Objects:
    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def read(self, address: str) -> bytes:
        bucket, key = _bucket_and_key(address)
        return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, address: str, content: bytes, content_type: str) -> None:
        bucket, key = _bucket_and_key(address)
        self._client.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type)


@dataclass(frozen=True)
class Accepted:
    """An accepted call: what its answer says, and where its input is."""

    inference_id: str
    output: str
    failure: str | None
    input_location: str | None
    body: bytes
    limit_s: float


class AsyncCalls:
    """Runs accepted calls in the background; they last as long as this process."""

    def __init__(self, invocations: Invocations, objects: Objects) -> None:
        self._invocations = invocations
        self._objects = objects
        self._running: set[asyncio.Task[None]] = set()

    def start(self, deployment: Deployment, call: Accepted) -> None:
        task = asyncio.create_task(self._run(deployment, call))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, deployment: Deployment, call: Accepted) -> None:
        address: str | None = call.output
        try:
            answer = await self._answer(deployment, call)
        except (RuntimeServiceError, ClientError, BotoCoreError) as error:
            log.warning("asynchronous call %s failed: %s", call.inference_id, error)
            address, answer = call.failure, Answer("text/plain", str(error).encode())
        try:
            if address:
                await asyncio.to_thread(
                    self._objects.write, address, answer.content, answer.content_type
                )
        except (ClientError, BotoCoreError):
            log.exception("asynchronous call %s: nothing written", call.inference_id)

    async def _answer(self, deployment: Deployment, call: Accepted) -> Answer:
        body = call.body
        if call.input_location:
            body = await asyncio.to_thread(self._objects.read, call.input_location)
        return await self._invocations.answer(deployment, body, limit_s=call.limit_s)


def accepted(paths: AsyncPaths | None, headers: Mapping[str, str], body: bytes) -> Accepted:
    """Read a call.

    Raises:
        InvalidCallError: the endpoint is not asynchronous, or there is no input or two.
    """
    if paths is None:
        raise InvalidCallError(
            "Endpoint has no AsyncInferenceConfig: it takes no asynchronous calls."
        )
    location = headers.get(PREFIX + "inputlocation")
    if bool(location) == bool(body):
        raise InvalidCallError("Provide either InputLocation or Body.")
    if location and not location.startswith("s3://"):
        raise InvalidCallError(f"InputLocation {location!r} is no s3:// address.")
    name = str(uuid.uuid4())
    folder = _joined(paths.output, headers.get(PREFIX + "s3outputpathextension", ""))
    return Accepted(
        inference_id=headers.get(PREFIX + "inference-id", str(uuid.uuid4())),
        output=_joined(folder, headers.get(PREFIX + "filename", f"{name}.out")),
        failure=_joined(paths.failure, f"{name}-error.out") if paths.failure else None,
        input_location=location,
        body=body,
        limit_s=float(headers.get(PREFIX + "invocationtimeoutseconds", DEFAULT_LIMIT_S)),
    )


def _joined(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name.strip('/')}".rstrip("/")


def _bucket_and_key(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key
