"""What SageMaker says about a resource: the replies of Describe and List calls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scripts.local.emulator.sagemaker_store import JsonObject, Resource

IN_SERVICE = "InService"
DEFAULT_PAGE = 10


def model(resource: Resource) -> JsonObject:
    return {
        "EnableNetworkIsolation": False,
        **resource.definition,
        "ModelArn": resource.arn,
        "CreationTime": resource.created_s,
    }


def model_summary(resource: Resource) -> JsonObject:
    return {
        "ModelName": resource.name,
        "ModelArn": resource.arn,
        "CreationTime": resource.created_s,
    }


def endpoint_config(resource: Resource) -> JsonObject:
    return {
        **resource.definition,
        "EndpointConfigArn": resource.arn,
        "CreationTime": resource.created_s,
    }


def endpoint_config_summary(resource: Resource) -> JsonObject:
    return {
        "EndpointConfigName": resource.name,
        "EndpointConfigArn": resource.arn,
        "CreationTime": resource.created_s,
    }


def endpoint_summary(resource: Resource) -> JsonObject:
    return {
        "EndpointName": resource.name,
        "EndpointArn": resource.arn,
        "CreationTime": resource.created_s,
        "LastModifiedTime": resource.modified_s,
        "EndpointStatus": IN_SERVICE,
    }


def endpoint(
    resource: Resource,
    config: Resource,
    components: Sequence[Resource],
    images: Mapping[str, str | None],
) -> JsonObject:
    carried = ("AsyncInferenceConfig", "DataCaptureConfig", "ExplainerConfig", "MetricsConfig")
    variants = [
        _variant_summary(variant, config, components, images[variant["VariantName"]])
        for variant in config.definition["ProductionVariants"]
    ]
    return {
        **{name: config.definition[name] for name in carried if name in config.definition},
        **endpoint_summary(resource),
        "EndpointConfigName": config.name,
        "ProductionVariants": variants,
    }


def _variant_summary(
    variant: JsonObject, config: Resource, components: Sequence[Resource], image: str | None
) -> JsonObject:
    weight = variant.get("InitialVariantWeight", 1.0)
    summary = {"VariantName": variant["VariantName"], "CurrentWeight": weight}
    summary["DesiredWeight"] = weight
    if image:
        summary["DeployedImages"] = [_deployed(image, config)]
    if "ServerlessConfig" in variant:
        return {**summary, "CurrentServerlessConfig": variant["ServerlessConfig"]}
    count = _instance_count(variant, components)
    summary |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
    kept = ("ManagedInstanceScaling", "RoutingConfig")
    return summary | {name: variant[name] for name in kept if name in variant}


def _instance_count(variant: JsonObject, components: Sequence[Resource]) -> int:
    """One machine serves all copies here; with managed scaling and no copy there may be none."""
    initial: int = variant.get("InitialInstanceCount", 1)
    scaling = variant.get("ManagedInstanceScaling")
    if not scaling or scaling.get("Status") == "DISABLED":
        return initial
    least: int = scaling.get("MinInstanceCount", 1)
    return max(least, 1) if any(_copies(component) for component in components) else least


def _copies(component: Resource) -> int:
    count: int = component.definition.get("RuntimeConfig", {}).get("CopyCount", 1)
    return count


def _deployed(image: str, resource: Resource) -> JsonObject:
    return {
        "SpecifiedImage": image,
        "ResolvedImage": image,
        "ResolutionTime": resource.created_s,
    }


def inference_component_summary(resource: Resource, on: Resource) -> JsonObject:
    return {
        "InferenceComponentName": resource.name,
        "InferenceComponentArn": resource.arn,
        "EndpointName": on.name,
        "EndpointArn": on.arn,
        "VariantName": resource.definition.get("VariantName", "AllTraffic"),
        "InferenceComponentStatus": IN_SERVICE,
        "CreationTime": resource.created_s,
        "LastModifiedTime": resource.modified_s,
    }


def inference_component(resource: Resource, on: Resource, image: str | None) -> JsonObject:
    copies = _copies(resource)
    said = inference_component_summary(resource, on)
    said["RuntimeConfig"] = {"DesiredCopyCount": copies, "CurrentCopyCount": copies}
    if "Specification" in resource.definition:
        said["Specification"] = _specification(resource, image)
    return said


def _specification(resource: Resource, image: str | None) -> JsonObject:
    asked: JsonObject = dict(resource.definition["Specification"])
    container = asked.pop("Container", None)
    image = container["Image"] if container and "Image" in container else image
    if container or image:
        described = {k: v for k, v in (container or {}).items() if k != "Image"}
        asked["Container"] = described | (
            {"DeployedImage": _deployed(image, resource)} if image else {}
        )
    return asked


def tags(resource: Resource) -> list[JsonObject]:
    return [{"Key": key, "Value": value} for key, value in resource.tags.items()]


def page(
    found: Sequence[Resource],
    request: JsonObject,
    member: str,
    row: Callable[[Resource], JsonObject],
) -> JsonObject:
    """One page of a List call: filtered by name, newest first unless asked otherwise."""
    part = request.get("NameContains", "").lower()
    if request.get("StatusEquals", IN_SERVICE) != IN_SERVICE:
        found = []
    rows = [resource for resource in found if part in resource.name.lower()]
    rows.sort(key=_sort_key(request), reverse=request.get("SortOrder") != "Ascending")
    start, size = int(request.get("NextToken", 0)), request.get("MaxResults", DEFAULT_PAGE)
    reply: JsonObject = {member: [row(resource) for resource in rows[start : start + size]]}
    if start + size < len(rows):
        reply["NextToken"] = str(start + size)
    return reply


def _sort_key(request: JsonObject) -> Callable[[Resource], Any]:
    if request.get("SortBy") == "Name":
        return lambda resource: resource.name
    return lambda resource: (resource.created_s, resource.name)
