"""Every name of ministack that we use, with the parameters we rely on: checked at each start.

ministack promises none of them, so an upgrade that moves one must stop the start with its name.
"""

import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass

VERSION = "1.5.33"


class HookError(Exception):
    """This ministack does not have what our hooks need; the text says what."""


@dataclass(frozen=True)
class Name:
    """One attribute of a module; `parameters` in order when it is called or replaced."""

    module: str
    attribute: str
    parameters: tuple[str, ...] | None = None
    source: tuple[str, ...] = ()
    """Texts that must occur in its source: what it reads at call time and we replace."""

    def __str__(self) -> str:
        return f"ministack.{self.module}.{self.attribute}"

    def fault(self) -> str | None:
        """Say what differs from what we rely on, or None."""
        try:
            found: object = importlib.import_module(f"ministack.{self.module}")
            for part in self.attribute.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            return f"{self} is missing"
        if self.parameters is not None:
            has = tuple(inspect.signature(found).parameters)  # type: ignore[arg-type]
            if has != self.parameters:
                return f"{self} takes {has}, not {self.parameters}"
        for text in self.source:
            if text not in inspect.getsource(found):  # type: ignore[arg-type]
                return f"{self} no longer contains {text!r}"
        return None


REQUEST = ("method", "path", "headers", "body", "query_params")
ROUTED = (
    "api_id",
    "stage_name",
    "stage",
    "resource",
    "request_path",
    "method",
    "headers",
    "body",
    "query_params",
    "path_params",
)

CONTRACT = (
    # Serving
    Name("app", "app", ("scope", "receive", "send")),
    Name("app", "SERVICE_HANDLERS"),
    Name("app", "SERVICE_REGISTRY"),
    Name("app", "_state_map"),
    Name("app", "_loaded_modules"),
    Name("app", "_get_module", ("name",), ("_loaded_modules.get(name)",)),
    Name("core.router", "SERVICE_PATTERNS"),
    Name("core.router", "detect_service", ("method", "path", "headers", "query_params")),
    Name("core.responses", "get_account_id", ()),
    Name("core.responses", "get_region", ()),
    Name("core.responses", "set_request_account_id", ("access_key_id",)),
    Name("core.responses", "request_scope", ("account_id", "region")),
    Name("core.responses", "StreamingResponse", ("runner",)),
    Name("core.iam_actions", "SERVICE_TO_IAM_NAMESPACE"),
    Name(
        "core.iam_actions",
        "extract_resource_arn",
        ("service", *REQUEST, "region", "account_id"),
    ),
    Name(
        "core.iam_evaluator",
        "enforce",
        (
            "access_key_id",
            "iam_action",
            "service",
            "region",
            "resource_arn",
            "service_context",
        ),
    ),
    Name("core.iam_evaluator", "_request_origin"),
    Name("core.iam_evaluator", "pin_request_origin", ("source_ip", "secure_transport")),
    Name("services.sts", "_sessions"),
    # State
    Name("app", "save_all", ("services",)),
    Name("app", "load_state", ("service",)),
    Name("app", "_build_persistence_save_dict", ()),
    Name("app", "_handle_lifespan", None, ("save_all(_build_persistence_save_dict())",)),
    Name("app", "_load_persisted_state", (), ("load_state(state_key)",)),
    Name("core.persistence", "_json_default", ("obj",)),
    Name("core.persistence", "_json_object_hook", ("obj",)),
    Name("core.persistence", "_state_format_version", ("service",)),
    Name("services.lambda_svc", "_prune_orphan_code_blobs", ("referenced",)),
    Name("services.lambda_svc", "get_state", (), ("_prune_orphan_code_blobs(referenced)",)),
    # CloudFormation
    Name("services.cloudformation.provisioners", "_RESOURCE_HANDLERS"),
    Name("services.cloudformation.provisioners", "_STACK_TAG_PROPERTY"),
    Name("services.cloudformation.provisioners", "_REPLACING_PROPERTIES"),
    Name("services.cloudformation.provisioners", "_CUSTOM_NAME_REPLACEMENT"),
    Name(
        "services.cloudformation.provisioners",
        "_provision_resource",
        ("resource_type", "logical_id", "props", "stack_name"),
        ('handler["create"](logical_id, props, stack_name)',),
    ),
    # REST APIs
    Name("services.apigateway_v1", "_stages_v1"),
    Name("services.apigateway_v1", "_gw_error", ("response_type", "message")),
    Name(
        "services.apigateway_v1",
        "_handle_execute_in_scope",
        ("api_id", "stage_name", *REQUEST, "owner_account_id", "owner_region"),
        ("_gateway_error_response(response, request)", "_execute_in_scope("),
    ),
    Name(
        "services.apigateway_v1",
        "_execute_in_scope",
        ("request", "api_id", "stage_name", *REQUEST, "owner_account_id", "owner_region"),
        ('request["stage"] = stage', "_invoke_lambda_proxy_v1", "authorizer_context"),
    ),
    Name(
        "services.apigateway_v1",
        "_gateway_error_response",
        ("error", "request"),
        ("error.response_type", "error.message", 'request["request_id"]'),
    ),
    Name(
        "services.apigateway_v1",
        "_build_lambda_event_v1",
        (*ROUTED, "binary_media_types", "authorizer_context", "caller_identity"),
        ('"requestContext"', '"requestId"'),
    ),
    Name(
        "services.apigateway_v1",
        "_invoke_lambda_proxy_v1",
        (
            "integration",
            *ROUTED,
            "owner_account_id",
            "owner_region",
            "binary_media_types",
            "authorizer_context",
            "caller_identity",
        ),
        ("_lambda_proxy_response(result)",),
    ),
    Name("services.apigateway_v1", "_lambda_proxy_response", ("result",)),
    Name(
        "services.apigateway_v1",
        "_validate_cognito_authorizer",
        ("authorizer", "method_obj", "headers", "query_params", "stage"),
    ),
    Name("services.cloudwatch_logs", "_log_groups"),
    Name("services.cloudwatch_logs", "_append_log_events", ("stream", "events")),
    Name("app", "_send_streaming_response", ("send", "receive", "status", "headers", "streaming")),
    # Web functions
    Name("core.arn", "parse_arn", ("value",)),
    Name("core.lambda_runtime", "execution_credentials", ("config",)),
    Name("core.lambda_runtime", "_account_region_from_function_config", ("config",)),
    Name(
        "services.lambda_svc",
        "_get_func_record_for_ref_in_scope",
        ("function_ref", "account_id", "region"),
    ),
    Name("services.lambda_svc", "_resolve_layer_zip", ("attachment",)),
    Name(
        "services.lambda_svc",
        "_run_with_function_config_scope",
        ("func_or_config", "callback", "args", "kwargs"),
    ),
    Name(
        "services.lambda_svc",
        "_emit_lambda_logs",
        ("func", "request_id", "log_text", "error", "duration_ms", "log_source"),
    ),
    Name("services.s3", "_bucket_tags"),
    # Plain functions
    Name("core.lambda_runtime", "_detect_runtime_binary", ("runtime",)),
    Name("core.lambda_runtime", "subprocess"),
    Name(
        "core.lambda_runtime",
        "Worker._spawn",
        ("self",),
        ("_detect_runtime_binary(runtime)", "subprocess.Popen(", "_LAMBDA_LAYERS_DIRS"),
    ),
    Name("core.lambda_runtime", "Worker.invoke", None, ('"event": event', '"request_id"')),
    Name("services.lambda_svc", "_execute_function_warm", ("func", "event", "request_id")),
)


def verify(names: Iterable[Name] = CONTRACT) -> None:
    """Check every name.

    Raises:
        HookError: lists all that differ.
    """
    faults = [fault for name in names if (fault := name.fault())]
    if faults:
        listed = "\n  ".join(faults)
        raise HookError(
            f"ministack is not the version that the hooks were written for ({VERSION}):\n  {listed}"
        )
