"""The HTTP surface of the SageMaker runtime: three calls, and `/ping` for whoever starts it."""

import uuid

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Lifespan

from scripts.local.sagemaker import eventstream
from scripts.local.sagemaker.async_calls import PREFIX, AsyncCalls, accepted
from scripts.local.sagemaker.callers import Callers
from scripts.local.sagemaker.deployments import Deployment, Deployments
from scripts.local.sagemaker.faults import BodyTooLargeError, RuntimeServiceError
from scripts.local.sagemaker.invocations import Invocations

BODY_BYTES = 6_291_456
ASYNC_BODY_BYTES = 128_000


class Service:
    """Reads requests and writes replies as boto3 expects them."""

    def __init__(
        self,
        callers: Callers,
        deployments: Deployments,
        invocations: Invocations,
        async_calls: AsyncCalls,
    ) -> None:
        self._callers = callers
        self._deployments = deployments
        self._invocations = invocations
        self._async_calls = async_calls

    def app(self, lifespan: Lifespan[Starlette] | None = None) -> Starlette:
        base = "/endpoints/{endpoint}"
        return Starlette(
            routes=[
                Route("/ping", ping),
                Route(f"{base}/invocations", self.invoke, methods=["POST"]),
                Route(f"{base}/invocations-response-stream", self.stream, methods=["POST"]),
                Route(f"{base}/async-invocations", self.accept, methods=["POST"]),
            ],
            exception_handlers={RuntimeServiceError: refused},
            lifespan=lifespan,
        )

    async def invoke(self, request: Request) -> Response:
        body = await read_body(request, BODY_BYTES)
        deployment = await self._deployment(request)
        answer = await self._invocations.answer(deployment, body)
        headers = _headers(deployment)
        return Response(answer.content, headers=headers, media_type=answer.content_type)

    async def stream(self, request: Request) -> Response:
        body = await read_body(request, BODY_BYTES)
        deployment = await self._deployment(request)
        content_type, frames = await self._invocations.stream(deployment, body)
        headers = {**_headers(deployment), PREFIX + "content-type": content_type}
        return StreamingResponse(frames, headers=headers, media_type=eventstream.CONTENT_TYPE)

    async def accept(self, request: Request) -> Response:
        body = await read_body(request, ASYNC_BODY_BYTES)
        deployment = await self._deployment(request)
        call = accepted(deployment.async_paths, request.headers, body)
        self._async_calls.start(deployment, call)
        headers = {**_headers(deployment), PREFIX + "outputlocation": call.output}
        if call.failure:
            headers[PREFIX + "failurelocation"] = call.failure
        return JSONResponse({"InferenceId": call.inference_id}, 202, headers)

    async def _deployment(self, request: Request) -> Deployment:
        component = request.headers.get(PREFIX + "inference-component")
        endpoint = request.path_params["endpoint"]
        await self._callers.check(request.headers.get("authorization", ""), endpoint, component)
        return await self._deployments.find(endpoint, component)


async def ping(_: Request) -> Response:
    return PlainTextResponse("")


async def refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RuntimeServiceError)  # noqa: S101 the type it is registered for
    response = error.response()
    response.headers["x-amzn-requestid"] = str(uuid.uuid4())
    return response


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Read the body; one that is too large is read too, or the client would see a broken pipe."""
    body = bytearray()
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= limit_bytes:
            body += part
    if size > limit_bytes:
        raise BodyTooLargeError(f"HTTP content length exceeded {limit_bytes} bytes.")
    return bytes(body)


def _headers(deployment: Deployment) -> dict[str, str]:
    return {
        "x-amzn-invoked-production-variant": deployment.variant,
        "x-amzn-requestid": str(uuid.uuid4()),
    }
