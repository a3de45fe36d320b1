"""A call from the endpoint's name to the container's answer, within SageMaker's time limits."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import httpx

from lambdas.core.catalogue import ModelEntry
from scripts.local.sagemaker import eventstream
from scripts.local.sagemaker.deployments import Deployment
from scripts.local.sagemaker.faults import ContainerError, InvalidCallError, ModelFailedError
from scripts.local.sagemaker.model_servers import ModelServers, ModelStartError
from scripts.local.sagemaker.vllm import VllmContainer, failure, gone, with_role
from scripts.local.sagemaker.weights import WeightsError, cloud_only

CLIENT_ERRORS = 4  # the first digit of their statuses
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


@dataclass(frozen=True)
class Limits:
    """What SageMaker sets for a model's answer: to its end, to the start and end of a stream."""

    answer_s: float = 60
    stream_s: float = 480


@dataclass(frozen=True)
class Answer:
    content_type: str
    content: bytes


class Invocations:
    """Calls the container of a deployment."""

    def __init__(
        self,
        catalogue: Mapping[str, ModelEntry],
        servers: ModelServers,
        client: httpx.AsyncClient,
        limits: Limits,
    ) -> None:
        self._catalogue = catalogue
        self._servers = servers
        self._client = client
        self._limits = limits

    async def answer(
        self, deployment: Deployment, body: bytes, *, limit_s: float | None = None
    ) -> Answer:
        """Call and read to the end.

        Raises:
            ModelFailedError: the container refused, broke or took too long.
        """
        try:
            container = await self._container(deployment)
            async with asyncio.timeout(limit_s or self._limits.answer_s):
                response = await container.open(body)
                async with aclosing(response):
                    content = await response.aread()
        except httpx.TransportError as error:
            raise model_error(deployment, gone(error)) from error
        except TimeoutError as error:
            raise model_error(deployment, ContainerError(0, TIMED_OUT)) from error
        except ContainerError as error:
            raise model_error(deployment, error) from error
        return Answer(response.headers["content-type"], content)

    async def stream(self, deployment: Deployment, body: bytes) -> tuple[str, AsyncIterator[bytes]]:
        """Call and relay: the content type, and the answer as frames of the event stream.

        Raises:
            ModelFailedError: there is no first byte to relay.
        """
        deadline = asyncio.get_running_loop().time() + self._limits.stream_s
        try:
            container = await self._container(deployment)
            async with asyncio.timeout(self._limits.answer_s):
                response = await container.open(body)
        except TimeoutError as error:
            raise model_error(deployment, ContainerError(0, TIMED_OUT)) from error
        except ContainerError as error:
            raise model_error(deployment, error) from error
        return response.headers["content-type"], _frames(response, deadline)

    async def _container(self, deployment: Deployment) -> VllmContainer:
        entry = self._catalogue.get(deployment.model_id)
        if entry is None:
            raise InvalidCallError(f"no model {deployment.model_id!r} in the catalogue")
        if entry.container.family != "vllm":
            raise ContainerError(400, _refusal(entry.container.family, cloud_only(entry)))
        try:
            return VllmContainer(self._client, await self._servers.server_for(entry))
        except WeightsError as error:
            raise ContainerError(400, failure(400, str(error))) from error
        except ModelStartError as error:
            raise ContainerError(500, failure(500, str(error))) from error


async def _frames(response: httpx.Response, deadline: float) -> AsyncIterator[bytes]:
    """Relay the container's bytes as they come; a break becomes SageMaker's exception frame."""
    try:
        async with asyncio.timeout_at(deadline), aclosing(response):
            async for part in with_role(response.aiter_raw()):
                yield eventstream.payload_part(part)
    except httpx.TransportError as error:
        yield _stream_error("StreamBroken", str(gone(error)))
    except TimeoutError:
        yield _stream_error("ModelInvocationTimeExceeded", TIMED_OUT)


def _stream_error(code: str, message: str) -> bytes:
    return eventstream.exception("ModelStreamError", {"Message": message, "ErrorCode": code})


def model_error(deployment: Deployment, error: ContainerError) -> ModelFailedError:
    """Wrap the container's answer as SageMaker does."""
    side = "client" if error.status // 100 == CLIENT_ERRORS else "server"
    group = deployment.log_group_arn.partition(":log-group:")[2]
    return ModelFailedError(
        f'Received {side} error ({error.status}) from primary with message "{error.text}". '
        f"See the log group {group} for more information.",
        ErrorCode=f"{side.upper()}_ERROR_FROM_MODEL",
        OriginalStatusCode=error.status,
        OriginalMessage=error.text,
        LogStreamArn=deployment.log_group_arn,
    )


def _refusal(family: str, message: str) -> str:
    """A 400 in the shape of the family's container."""
    if family == "hf-toolkit":
        return json.dumps({"code": 400, "type": "InternalServerException", "message": message})
    return json.dumps({"error": message, "error_type": "validation"})
