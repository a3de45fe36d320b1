"""Makes errors, token checks, request ids and access logs of REST APIs those of API Gateway."""

import contextvars
import functools
import time
from dataclasses import dataclass, field
from typing import Any

from ministack.core import responses
from ministack.services import apigateway_v1, cloudwatch_logs
from ministack.services.cloudformation import provisioners

from scripts.local.emulator.access_log import LogLine, log_group_of

Json = dict[str, Any]
STATUS = "kit_status"  # our mark on a gateway error whose status is not its type's own


@dataclass
class Call:
    """What is learnt about one call to an API while it is served."""

    started_s: float = field(default_factory=time.time)
    request: Json = field(default_factory=dict)
    event_context: Json = field(default_factory=dict)
    error: Any = None
    integration_started_s: float | None = None
    function_failed: bool = False


_call: contextvars.ContextVar[Call] = contextvars.ContextVar("api_call")


def current_call() -> Call:
    return _call.get()


def bad_gateway() -> Any:
    """What a caller gets for a function that failed: 502, in the shape of DEFAULT_5XX."""
    error = apigateway_v1._gw_error("DEFAULT_5XX", "Internal server error")
    setattr(error, STATUS, 502)
    return error


def install() -> None:
    _follow_calls()
    _give_errors_their_status()
    _give_events_the_request_id()
    _note_failed_functions()
    _refuse_access_tokens()
    _keep_access_log_settings()


def _follow_calls() -> None:
    """Note what happens to a call, and write its access log line when its reply has ended."""
    handle = apigateway_v1._handle_execute_in_scope
    execute = apigateway_v1._execute_in_scope

    async def handle_execute_in_scope(*arguments: Any) -> Any:
        call = Call()
        token = _call.set(call)
        try:
            status, headers, body = await handle(*arguments)
        finally:
            _call.reset(token)
        if call.request:
            headers.setdefault("x-amzn-requestid", call.request["request_id"])
            body = _logged_body(call, arguments, status, body)
        return status, headers, body

    async def execute_in_scope(request: Json, *arguments: Any) -> Any:
        current_call().request = request
        return await execute(request, *arguments)

    apigateway_v1._handle_execute_in_scope = handle_execute_in_scope
    apigateway_v1._execute_in_scope = execute_in_scope


def _logged_body(call: Call, arguments: tuple[Any, ...], status: int, body: Any) -> Any:
    if not isinstance(body, responses.StreamingResponse):
        _write_access_log(call, arguments, status, len(body))
        return body

    async def run(send: Any, receive: Any) -> None:
        sent = 0

        async def count(message: Json) -> None:
            nonlocal sent
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await body.runner(count, receive)
        finally:
            _write_access_log(call, arguments, status, sent)

    return responses.StreamingResponse(run)


def _write_access_log(call: Call, arguments: tuple[Any, ...], status: int, length: int) -> None:
    api_id, stage_name, method, path, *_, account, region = arguments
    settings = (call.request.get("stage") or {}).get("accessLogSettings")
    if not settings:
        return
    line = LogLine(
        api_id=api_id,
        stage=stage_name,
        method=method,
        path=path,
        status=status,
        length_bytes=length,
        started_s=call.started_s,
        ended_s=time.time(),
        request=call.request,
        event_context=call.event_context,
        integration_started_s=call.integration_started_s,
        error_type=getattr(call.error, "response_type", None),
        error_message=getattr(call.error, "message", None),
    )
    with responses.request_scope(account, region):
        text = line.render(settings["format"])
        _append_log(log_group_of(settings["destinationArn"]), f"{api_id}/{stage_name}", text)


def _append_log(group_name: str, stream_name: str, text: str) -> None:
    group = cloudwatch_logs._log_groups.get(group_name)
    if group is None:
        return  # deleted since; AWS drops the line too
    now_ms = int(time.time() * 1000)
    empty = {
        "events": [],
        "uploadSequenceToken": "1",
        "creationTime": now_ms,
        "firstEventTimestamp": None,
        "lastEventTimestamp": None,
        "lastIngestionTime": None,
    }
    stream = group["streams"].setdefault(stream_name, empty)
    event = {"timestamp": now_ms, "message": text, "ingestionTime": now_ms}
    cloudwatch_logs._append_log_events(stream, [event])


def _give_errors_their_status() -> None:
    render = apigateway_v1._gateway_error_response

    def gateway_error_response(error: Any, request: Json) -> tuple[int, Json, bytes]:
        call = _call.get(None)
        if call is not None:
            call.error = error
        status, headers, body = render(error, request)
        return getattr(error, STATUS, status), headers, body

    apigateway_v1._gateway_error_response = gateway_error_response


def _give_events_the_request_id() -> None:
    """One id for a call, in the reply, the function's event and the access log."""
    build = apigateway_v1._build_lambda_event_v1

    @functools.wraps(build)
    def build_lambda_event_v1(api_id: str, *arguments: Any, **options: Any) -> Json:
        event: Json = build(api_id, *arguments, **options)
        context = event["requestContext"]
        call = _call.get(None)
        if call is not None:
            context["requestId"] = call.request["request_id"]
            call.event_context = context
        domain = f"{api_id}.execute-api.{responses.get_region()}.amazonaws.com"
        context |= {"domainName": domain, "domainPrefix": api_id}
        return event

    apigateway_v1._build_lambda_event_v1 = build_lambda_event_v1


def _note_failed_functions() -> None:
    """Tell a function that failed from one that answered 502 itself."""
    shape = apigateway_v1._lambda_proxy_response

    def lambda_proxy_response(result: Json) -> tuple[Json | None, str | None]:
        answer, error = shape(result)
        current_call().function_failed = error is not None
        return answer, error

    apigateway_v1._lambda_proxy_response = lambda_proxy_response


def _refuse_access_tokens() -> None:
    """A Cognito authorizer takes ID tokens; access tokens only for methods that name scopes."""
    validate = apigateway_v1._validate_cognito_authorizer

    async def validate_cognito_authorizer(
        authorizer: Json, method_obj: Json, headers: Json, query_params: Json, stage: Json
    ) -> tuple[Json | None, Any]:
        claims, error = await validate(authorizer, method_obj, headers, query_params, stage)
        scopes = method_obj.get("authorizationScopes")
        if error is None and claims.get("token_use") == "access" and not scopes:
            return None, apigateway_v1._gw_error("UNAUTHORIZED", "Unauthorized")
        return claims, error

    apigateway_v1._validate_cognito_authorizer = validate_cognito_authorizer


def _keep_access_log_settings() -> None:
    """Keep the stage property AccessLogSetting, which the emulator's stage type drops."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Stage"]
    create, update = handlers["create"], handlers["update"]

    def keep(properties: Json) -> None:
        stage = apigateway_v1._stages_v1[properties["RestApiId"]][properties["StageName"]]
        setting = properties.get("AccessLogSetting")
        if setting:
            arn, line = setting.get("DestinationArn", ""), setting.get("Format", "")
            stage["accessLogSettings"] = {"destinationArn": arn, "format": line}
        else:
            stage.pop("accessLogSettings", None)

    def create_stage(logical_id: str, props: Json, stack_name: str) -> Any:
        made = create(logical_id, props, stack_name)
        keep(props)
        return made

    def update_stage(physical_id: str, old: Json, new: Json, stack_name: str) -> Any:
        made = update(physical_id, old, new, stack_name)
        keep(new)
        return made

    handlers["create"], handlers["update"] = create_stage, update_stage
