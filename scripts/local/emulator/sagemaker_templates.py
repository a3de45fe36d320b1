"""SageMaker's CloudFormation types: properties in, physical id (the ARN) and attributes out."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from scripts.local.emulator.sagemaker_api import SageMaker, tags_of
from scripts.local.emulator.sagemaker_store import JsonObject, Kind, RequestRefusedError, Scope
from scripts.local.emulator.shapes import from_template, input_shape

# In templates only: read-only results, and options of an update that a create does not take.
TEMPLATE_ONLY = frozenset(
    {
        "CurrentCopyCount",
        "DeployedImage",
        "DeploymentConfig",
        "DesiredCopyCount",
        "ExcludeRetainedVariantProperties",
        "RetainAllVariantProperties",
        "RetainDeploymentConfig",
    }
)


class Provisioned(NamedTuple):
    """What CloudFormation keeps of a resource: the value of Ref, and those of GetAtt."""

    physical_id: str
    attributes: JsonObject


@dataclass(frozen=True)
class TemplateType:
    """How one CloudFormation type maps to SageMaker's operations."""

    kind: Kind
    stem: str
    replacing: tuple[str, ...] = ()
    """Properties whose change makes a new resource; a resource with a fixed name then refuses."""

    @property
    def name(self) -> str:
        return f"AWS::SageMaker::{self.stem}"

    @property
    def name_property(self) -> str:
        return f"{self.stem}Name"


TYPES = (
    TemplateType(
        Kind.MODEL,
        "Model",
        (
            "Containers",
            "EnableNetworkIsolation",
            "ExecutionRoleArn",
            "InferenceExecutionConfig",
            "ModelName",
            "PrimaryContainer",
            "VpcConfig",
        ),
    ),
    TemplateType(
        Kind.ENDPOINT_CONFIG,
        "EndpointConfig",
        (
            "AsyncInferenceConfig",
            "DataCaptureConfig",
            "EnableNetworkIsolation",
            "EndpointConfigName",
            "ExecutionRoleArn",
            "ExplainerConfig",
            "KmsKeyId",
            "MetricsConfig",
            "ProductionVariants",
            "ShadowProductionVariants",
            "VpcConfig",
        ),
    ),
    TemplateType(Kind.ENDPOINT, "Endpoint", ("EndpointName",)),
    TemplateType(Kind.INFERENCE_COMPONENT, "InferenceComponent", ("InferenceComponentName",)),
)


class SageMakerTemplates:
    """Creates, updates and deletes on behalf of CloudFormation."""

    def __init__(self, sagemaker: SageMaker, scope: Callable[[], Scope]) -> None:
        self._sagemaker = sagemaker
        self._scope = scope

    def create(self, kind: TemplateType, logical_id: str, properties: JsonObject) -> Provisioned:
        name = properties.get(kind.name_property) or f"{logical_id}-{secrets.token_hex(6)}"[-63:]
        named = {**_names_for_arns(properties), kind.name_property: name}
        shape = input_shape("sagemaker", f"Create{kind.stem}")
        request = from_template(named, shape, TEMPLATE_ONLY)
        self._sagemaker.call(self._scope(), f"Create{kind.stem}", request)
        return self._provisioned(kind, name)

    def update(
        self, kind: TemplateType, physical_id: str, old: JsonObject, new: JsonObject
    ) -> Provisioned:
        """Change in place what may be: tags always, settings where there is an Update call."""
        resource = self._sagemaker.store.get_by_arn(physical_id, kind.kind)
        for key in tags_of(old).keys() - tags_of(new).keys():
            resource.tags.pop(key, None)
        resource.tags.update(tags_of(new))
        if kind.kind in (Kind.ENDPOINT, Kind.INFERENCE_COMPONENT):
            shape = input_shape("sagemaker", f"Update{kind.stem}")
            named = {**_names_for_arns(new), kind.name_property: resource.name}
            fixed = frozenset({"Tags", "EndpointName", "VariantName"})
            request = from_template(named, shape, TEMPLATE_ONLY | fixed)
            self._sagemaker.call(self._scope(), f"Update{kind.stem}", request)
        return self._provisioned(kind, resource.name)

    def delete(self, kind: TemplateType, physical_id: str) -> None:
        """Delete; what somebody has deleted already is fine, as for CloudFormation."""
        try:
            resource = self._sagemaker.store.get_by_arn(physical_id, kind.kind)
        except RequestRefusedError:
            return
        request = {kind.name_property: resource.name}
        self._sagemaker.call(self._scope(), f"Delete{kind.stem}", request)

    def _provisioned(self, kind: TemplateType, name: str) -> Provisioned:
        request = {kind.name_property: name}
        said = self._sagemaker.call(self._scope(), f"Describe{kind.stem}", request)
        arn = said[f"{kind.stem}Arn"]
        attributes = {kind.name_property: name, f"{kind.stem}Arn": arn}
        if kind.kind is Kind.INFERENCE_COMPONENT:
            attributes |= _component_attributes(said)
        return Provisioned(arn, attributes)


def _component_attributes(said: JsonObject) -> JsonObject:
    copies = said["RuntimeConfig"]
    container = said.get("Specification", {}).get("Container", {})
    image = container.get("DeployedImage", {}).get("ResolvedImage", "")
    return {
        "CreationTime": _iso(said["CreationTime"]),
        "LastModifiedTime": _iso(said["LastModifiedTime"]),
        "FailureReason": "",
        "InferenceComponentStatus": said["InferenceComponentStatus"],
        "RuntimeConfig.CurrentCopyCount": copies["CurrentCopyCount"],
        "RuntimeConfig.DesiredCopyCount": copies["DesiredCopyCount"],
        "Specification.Container.DeployedImage": image,
    }


def _iso(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="seconds")


def _names_for_arns(value: object) -> JsonObject:
    """Take the ARN that Ref gives wherever a name is asked for, as SageMaker's handlers do."""
    named = _named(value)
    if not isinstance(named, dict):
        raise TypeError("properties must be an object")
    return named


def _named(value: object) -> object:
    if isinstance(value, list):
        return [_named(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _name_of(item) if key.endswith("Name") else _named(item) for key, item in value.items()
    }


def _name_of(value: object) -> object:
    if isinstance(value, str) and value.startswith("arn:") and ":sagemaker:" in value:
        return value.rsplit("/", 1)[1]
    return value
