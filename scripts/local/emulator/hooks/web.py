"""Serves web functions behind REST APIs: streamed where the integration streams, else whole."""

import asyncio
import copy
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ministack.core import lambda_runtime, responses
from ministack.core.arn import parse_arn
from ministack.services import apigateway_v1, lambda_svc

from scripts.local.emulator.channel import Channel
from scripts.local.emulator.gateway_request import REQUEST_LIMIT_BYTES, GatewayRequest
from scripts.local.emulator.hooks.gateway import bad_gateway, current_call
from scripts.local.emulator.relay import (
    Answer,
    FunctionFailedError,
    IntegrationTimeoutError,
    Relay,
)
from scripts.local.emulator.web_function import WebFunction, fingerprint, is_web_function

Json = dict[str, Any]
STREAMING = "/response-streaming-invocations"
BUFFERED = "/invocations"


def wanted_fingerprint(function_arn: str) -> str | None:
    """What a process of this function must be now; None when the function is gone."""
    spec = parse_arn(function_arn)
    _record, config, _name = lambda_svc._get_func_record_for_ref_in_scope(
        function_arn, account_id=spec.account_id, region=spec.region
    )
    return None if config is None else fingerprint(config)


def write_log(
    function: WebFunction,
    request_id: str,
    lines: Sequence[str],
    *,
    failed: bool,
    duration_ms: int,
) -> None:
    """Write what the process printed to the function's log group, between START and REPORT."""
    lambda_svc._run_with_function_config_scope(
        function.config,
        lambda_svc._emit_lambda_logs,
        {"config": function.config},
        request_id,
        "\n".join(lines),
        failed,
        duration_ms,
    )


def install(relay: Relay) -> None:
    """Put the relay in the place of the Lambda proxy integration."""
    buffered = apigateway_v1._invoke_lambda_proxy_v1

    @functools.wraps(buffered)
    async def invoke(integration: Json, *arguments: Any, **options: Any) -> Any:
        call = current_call()
        call.integration_started_s = asyncio.get_running_loop().time()
        *_, body, _query, _path = arguments
        if len(body) > REQUEST_LIMIT_BYTES:
            return apigateway_v1._gw_error("REQUEST_TOO_LARGE", "Request Too Long")
        streaming = str(integration["uri"]).endswith(STREAMING)
        function = _web_function(integration, options)
        if function is None and not streaming:
            return await _plain(buffered, integration, *arguments, **options)
        if function is None:
            return bad_gateway()  # streaming from a plain Python function fails in AWS too
        request = _gateway_request(arguments, options)
        try:
            answer = await relay.answer(
                function, request, integration_timeout_s=_timeout_s(integration)
            )
        except FunctionFailedError:
            return bad_gateway()
        except IntegrationTimeoutError:
            return _timed_out()
        return _streamed(answer) if streaming else await _whole(answer)

    apigateway_v1._invoke_lambda_proxy_v1 = invoke


async def _plain(
    buffered: Callable[..., Awaitable[Any]], integration: Json, *arguments: Any, **options: Any
) -> Any:
    """The emulator's own way, with the integration's time-out and API Gateway's error body."""
    invoking = asyncio.ensure_future(buffered(integration, *arguments, **options))
    done, _ = await asyncio.wait({invoking}, timeout=_timeout_s(integration))
    if not done:  # the function goes on, as in AWS; only the caller is told
        _unawaited.add(invoking)
        invoking.add_done_callback(_unawaited.discard)
        return _timed_out()
    return bad_gateway() if current_call().function_failed else invoking.result()


_unawaited: set[asyncio.Future[Any]] = set()


def _timed_out() -> Any:
    return apigateway_v1._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")


def _timeout_s(integration: Json) -> float:
    return int(integration.get("timeoutInMillis") or 29_000) / 1000


def _web_function(integration: Json, options: Json) -> WebFunction | None:
    uri = str(integration["uri"]).removesuffix(STREAMING).removesuffix(BUFFERED)
    reference = uri.partition("/functions/")[2]
    record, config, _name = lambda_svc._get_func_record_for_ref_in_scope(
        reference, account_id=options["owner_account_id"], region=options["owner_region"]
    )
    if record is None or config is None or not is_web_function(config):
        return None
    _account, region = lambda_runtime._account_region_from_function_config(config)
    return WebFunction(
        config=copy.deepcopy(config),
        fingerprint=fingerprint(config),
        credentials=lambda_runtime.execution_credentials(config),
        region=region,
        code=lambda: bytes(record["code_zip"]),
        layers=lambda: _layers(config),
    )


def _layers(config: Json) -> list[bytes]:
    """The zips of the function's own layers; the adapter's, of another account, is not here."""
    found = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
    return [data for data in found if data]


def _gateway_request(arguments: tuple[Any, ...], options: Json) -> GatewayRequest:
    *before, path, method, headers, body, query, path_params = arguments
    event = apigateway_v1._build_lambda_event_v1(
        *before,
        path,
        method,
        headers,
        b"",
        query,
        path_params,
        binary_media_types=options.get("binary_media_types"),
        authorizer_context=options.get("authorizer_context"),
        caller_identity=options.get("caller_identity"),
    )
    return GatewayRequest(
        method=method,
        path=path,
        query=query or {},
        headers=headers,
        body=body,
        context=event["requestContext"],
    )


def _streamed(answer: Answer) -> tuple[int, Json, Any]:
    async def run(send: Any, receive: Any) -> None:
        leaving = asyncio.create_task(_leave_when_gone(answer.channel, receive))
        try:
            async for part in answer.channel:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        finally:
            leaving.cancel()
            await answer.channel.leave()
        # Without this last frame the client knows that the reply is cut.
        if answer.channel.complete:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return answer.status, dict(answer.headers), responses.StreamingResponse(run)


async def _leave_when_gone(channel: Channel, receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    await channel.leave()


async def _whole(answer: Answer) -> Any:
    parts = [part async for part in answer.channel]
    if not answer.channel.complete:
        return bad_gateway()
    headers = {k: v for k, v in answer.headers.items() if k != "content-length"}
    return answer.status, headers, b"".join(parts)
