"""Adds services of ours to the emulator: routing, persistence, IAM names, CloudFormation types."""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ministack import app
from ministack.core import iam_actions, responses, router
from ministack.services.cloudformation import provisioners

from scripts.local.emulator.autoscaling import SERVICE as AUTOSCALING
from scripts.local.emulator.autoscaling import AutoScaling, NotFoundError
from scripts.local.emulator.sagemaker_api import SageMaker
from scripts.local.emulator.sagemaker_store import (
    JsonObject,
    Kind,
    RequestRefusedError,
    ResourceStore,
    Scope,
)
from scripts.local.emulator.sagemaker_templates import TYPES, SageMakerTemplates, TemplateType

log = logging.getLogger(__name__)

Reply = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Reply]]
JSON = {"Content-Type": "application/x-amz-json-1.1"}


class Operations(Protocol):
    """A service of ours."""

    @property
    def operations(self) -> tuple[str, ...]: ...
    def call(self, scope: Scope, operation: str, request: JsonObject) -> JsonObject: ...


class Persistent(Protocol):
    """What of a service outlives the process."""

    def dump(self) -> JsonObject: ...
    def load(self, saved: JsonObject) -> None: ...
    def clear(self) -> None: ...


class ServiceModule:
    """Looks to the emulator like one of its own service modules."""

    def __init__(self, service: Operations, state: Persistent) -> None:
        self._service = service
        self._state = state

    async def handle_request(
        self, _method: str, _path: str, headers: dict[str, str], body: bytes, _query: dict[str, Any]
    ) -> Reply:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation not in self._service.operations:
            return _refusal("UnknownOperationException", f"{operation} is not emulated")
        try:
            answer = self._service.call(current_scope(), operation, json.loads(body or b"{}"))
        except RequestRefusedError as error:
            return _refusal("ValidationException", str(error))
        except NotFoundError as error:
            return _refusal("ObjectNotFoundException", str(error))
        return 200, dict(JSON), json.dumps(answer).encode()

    def get_state(self) -> JsonObject:
        return self._state.dump()

    def load_persisted_state(self, saved: JsonObject) -> None:
        self._state.load(saved)

    def reset(self) -> None:
        self._state.clear()


def _refusal(code: str, message: str) -> Reply:
    body = json.dumps({"__type": code, "message": message}).encode()
    return 400, {**JSON, "x-amzn-errortype": code}, body


def current_scope() -> Scope:
    return Scope(responses.get_account_id(), responses.get_region())


def install() -> None:
    """Add SageMaker's control plane and Application Auto Scaling."""
    store = ResourceStore()
    sagemaker = SageMaker(store)
    _add_service("sagemaker", "SageMaker.", ServiceModule(sagemaker, store))
    templates = SageMakerTemplates(sagemaker, current_scope)
    for kind in TYPES:
        _add_sagemaker_type(kind, templates)
    scaling = AutoScaling()
    _add_service(AUTOSCALING, "AnyScaleFrontendService.", ServiceModule(scaling, scaling))
    _add_autoscaling_types(scaling)
    _name_resources_for_iam()


def _add_service(name: str, target_prefix: str, module: ServiceModule) -> None:
    router.SERVICE_PATTERNS[name] = {"target_prefixes": [target_prefix], "host_patterns": []}
    app.SERVICE_REGISTRY[name] = {"module": name}
    app.SERVICE_HANDLERS[name] = module.handle_request
    app._state_map[name] = name
    app._loaded_modules[name] = module
    iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name


def _add_sagemaker_type(kind: TemplateType, templates: SageMakerTemplates) -> None:
    provisioners._RESOURCE_HANDLERS[kind.name] = {
        "create": lambda logical_id, props, _stack: templates.create(kind, logical_id, props),
        "update": lambda pid, old, new, _stack: templates.update(kind, pid, old, new),
        "delete": lambda pid, _props: templates.delete(kind, pid),
    }
    provisioners._STACK_TAG_PROPERTY[kind.name] = ("Tags", "list")
    provisioners._REPLACING_PROPERTIES[kind.name] = kind.replacing
    provisioners._CUSTOM_NAME_REPLACEMENT[kind.name] = {"name": kind.name_property}


def _add_autoscaling_types(scaling: AutoScaling) -> None:
    provisioners._RESOURCE_HANDLERS["AWS::ApplicationAutoScaling::ScalableTarget"] = {
        "create": lambda _id, props, _stack: scaling.provision_target(current_scope(), props),
        "update": lambda _id, _old, new, _stack: scaling.provision_target(current_scope(), new),
        "delete": lambda pid, _props: scaling.forget_target(current_scope(), pid),
    }
    provisioners._RESOURCE_HANDLERS["AWS::ApplicationAutoScaling::ScalingPolicy"] = {
        "create": lambda _id, props, _stack: scaling.provision_policy(current_scope(), props),
        "update": lambda _id, _old, new, _stack: scaling.provision_policy(current_scope(), new),
        "delete": lambda pid, _props: scaling.forget_policy(pid),
    }


def _name_resources_for_iam() -> None:
    """Under --enforce-iam, check a SageMaker call against the ARN that it names, as AWS does."""
    original = iam_actions.extract_resource_arn

    def extract_resource_arn(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        region: str,
        account_id: str,
    ) -> str:
        if service == "sagemaker":
            operation = headers.get("x-amz-target", "").rpartition(".")[2]
            return sagemaker_arn(Scope(account_id, region), operation, json.loads(body or b"{}"))
        found: str = original(
            service, method, path, headers, body, query_params, region, account_id
        )
        return found

    iam_actions.extract_resource_arn = extract_resource_arn


def sagemaker_arn(scope: Scope, operation: str, request: JsonObject) -> str:
    """The ARN that a control-plane call is about, or `*` for lists."""
    if "ResourceArn" in request:
        return str(request["ResourceArn"])
    stems = {
        "InferenceComponent": Kind.INFERENCE_COMPONENT,
        "EndpointConfig": Kind.ENDPOINT_CONFIG,
        "Endpoint": Kind.ENDPOINT,
        "Model": Kind.MODEL,
    }
    for stem, kind in stems.items():
        if stem in operation and f"{stem}Name" in request:
            return scope.arn(kind, request[f"{stem}Name"])
    return "*"
