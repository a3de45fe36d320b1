"""SageMaker's control plane for what serves a model: the calls that boto3 makes."""

from collections.abc import Callable
from typing import Any

from scripts.local.emulator import sagemaker_views as views
from scripts.local.emulator.sagemaker_store import (
    JsonObject,
    Kind,
    RequestRefusedError,
    Resource,
    ResourceStore,
    Scope,
)
from scripts.local.emulator.shapes import ShapeError, check, input_shape

Operation = Callable[[Scope, JsonObject], JsonObject]


def tags_of(request: JsonObject) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}


def without(request: JsonObject, *names: str) -> JsonObject:
    return {name: value for name, value in request.items() if name not in names}


class SageMaker:
    """Answers control-plane operations from a store; what is created is in service at once."""

    def __init__(self, store: ResourceStore) -> None:
        self.store = store
        self._operations: dict[str, Operation] = {
            "CreateModel": self._create_model,
            "DescribeModel": self._describe(Kind.MODEL, "ModelName", views.model),
            "ListModels": self._list(Kind.MODEL, "Models", views.model_summary),
            "DeleteModel": self._delete(Kind.MODEL, "ModelName"),
            "CreateEndpointConfig": self._create_endpoint_config,
            "DescribeEndpointConfig": self._describe(
                Kind.ENDPOINT_CONFIG, "EndpointConfigName", views.endpoint_config
            ),
            "ListEndpointConfigs": self._list(
                Kind.ENDPOINT_CONFIG, "EndpointConfigs", views.endpoint_config_summary
            ),
            "DeleteEndpointConfig": self._delete(Kind.ENDPOINT_CONFIG, "EndpointConfigName"),
            "CreateEndpoint": self._create_endpoint,
            "UpdateEndpoint": self._update_endpoint,
            "DescribeEndpoint": self._describe_endpoint,
            "ListEndpoints": self._list(Kind.ENDPOINT, "Endpoints", views.endpoint_summary),
            "DeleteEndpoint": self._delete_endpoint,
            "CreateInferenceComponent": self._create_component,
            "UpdateInferenceComponent": self._update_component,
            "UpdateInferenceComponentRuntimeConfig": self._set_copies,
            "DescribeInferenceComponent": self._describe_component,
            "ListInferenceComponents": self._list_components,
            "DeleteInferenceComponent": self._delete(
                Kind.INFERENCE_COMPONENT, "InferenceComponentName"
            ),
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
            "DeleteTags": self._delete_tags,
        }

    @property
    def operations(self) -> tuple[str, ...]:
        return tuple(self._operations)

    def call(self, scope: Scope, operation: str, request: JsonObject) -> JsonObject:
        """Do one operation.

        Raises:
            RequestRefusedError: with AWS's text; the wire code is ValidationException.
        """
        try:
            check(request, input_shape("sagemaker", operation))
        except ShapeError as error:
            raise RequestRefusedError(str(error)) from error
        return self._operations[operation](scope, request)

    # Models and endpoint configurations cannot be changed once made.

    def _create_model(self, scope: Scope, request: JsonObject) -> JsonObject:
        if ("PrimaryContainer" in request) == ("Containers" in request):
            raise RequestRefusedError(
                "Provide exactly one of the parameters PrimaryContainer and Containers."
            )
        name = request["ModelName"]
        made = self.store.create(
            scope, Kind.MODEL, name, without(request, "Tags"), tags_of(request)
        )
        return {"ModelArn": made.arn}

    def _create_endpoint_config(self, scope: Scope, request: JsonObject) -> JsonObject:
        for variant in request["ProductionVariants"]:
            if "ModelName" in variant:
                self.store.get(scope, Kind.MODEL, variant["ModelName"])
        name = request["EndpointConfigName"]
        definition = without(request, "Tags")
        made = self.store.create(scope, Kind.ENDPOINT_CONFIG, name, definition, tags_of(request))
        return {"EndpointConfigArn": made.arn}

    def _create_endpoint(self, scope: Scope, request: JsonObject) -> JsonObject:
        self.store.get(scope, Kind.ENDPOINT_CONFIG, request["EndpointConfigName"])
        name = request["EndpointName"]
        definition = without(request, "Tags")
        made = self.store.create(scope, Kind.ENDPOINT, name, definition, tags_of(request))
        return {"EndpointArn": made.arn}

    def _update_endpoint(self, scope: Scope, request: JsonObject) -> JsonObject:
        endpoint = self.store.get(scope, Kind.ENDPOINT, request["EndpointName"])
        self.store.get(scope, Kind.ENDPOINT_CONFIG, request["EndpointConfigName"])
        self.store.update(endpoint, {**endpoint.definition, **request})
        return {"EndpointArn": endpoint.arn}

    def _describe_endpoint(self, scope: Scope, request: JsonObject) -> JsonObject:
        endpoint = self.store.get(scope, Kind.ENDPOINT, request["EndpointName"])
        config = self._config_of(scope, endpoint)
        images = {
            variant["VariantName"]: self._image_of(scope, variant.get("ModelName"))
            for variant in config.definition["ProductionVariants"]
        }
        return views.endpoint(endpoint, config, self._components_of(scope, endpoint), images)

    def _delete_endpoint(self, scope: Scope, request: JsonObject) -> JsonObject:
        endpoint = self.store.get(scope, Kind.ENDPOINT, request["EndpointName"])
        if self._components_of(scope, endpoint):
            raise RequestRefusedError(
                f'Cannot delete endpoint "{endpoint.arn}" while inference components run on it.'
            )
        self.store.delete(scope, Kind.ENDPOINT, endpoint.name)
        return {}

    def _create_component(self, scope: Scope, request: JsonObject) -> JsonObject:
        endpoint = self.store.get(scope, Kind.ENDPOINT, request["EndpointName"])
        self._check_variant(scope, endpoint, request.get("VariantName"))
        self._check_models(scope, request)
        name = request["InferenceComponentName"]
        definition = without(request, "Tags")
        made = self.store.create(
            scope, Kind.INFERENCE_COMPONENT, name, definition, tags_of(request)
        )
        return {"InferenceComponentArn": made.arn}

    def _update_component(self, scope: Scope, request: JsonObject) -> JsonObject:
        component = self._component(scope, request)
        self._check_models(scope, request)
        self.store.update(component, {**component.definition, **request})
        return {"InferenceComponentArn": component.arn}

    def _set_copies(self, scope: Scope, request: JsonObject) -> JsonObject:
        component = self._component(scope, request)
        wanted = {"RuntimeConfig": request["DesiredRuntimeConfig"]}
        self.store.update(component, {**component.definition, **wanted})
        return {"InferenceComponentArn": component.arn}

    def _describe_component(self, scope: Scope, request: JsonObject) -> JsonObject:
        component = self._component(scope, request)
        endpoint = self.store.get(scope, Kind.ENDPOINT, component.definition["EndpointName"])
        specification = component.definition.get("Specification", {})
        image = self._image_of(scope, specification.get("ModelName"))
        return views.inference_component(component, endpoint, image)

    def _list_components(self, scope: Scope, request: JsonObject) -> JsonObject:
        def wanted(component: Resource) -> bool:
            asked = {
                "EndpointName": request.get("EndpointNameEquals"),
                "VariantName": request.get("VariantNameEquals"),
            }
            return all(v is None or component.definition.get(k) == v for k, v in asked.items())

        def row(component: Resource) -> JsonObject:
            endpoint = self.store.get(scope, Kind.ENDPOINT, component.definition["EndpointName"])
            return views.inference_component_summary(component, endpoint)

        found = [c for c in self.store.of_kind(scope, Kind.INFERENCE_COMPONENT) if wanted(c)]
        return views.page(found, request, "InferenceComponents", row)

    def _add_tags(self, _scope: Scope, request: JsonObject) -> JsonObject:
        resource = self.store.get_by_arn(request["ResourceArn"])
        resource.tags.update(tags_of(request))
        return {"Tags": views.tags(resource)}

    def _list_tags(self, _scope: Scope, request: JsonObject) -> JsonObject:
        return {"Tags": views.tags(self.store.get_by_arn(request["ResourceArn"]))}

    def _delete_tags(self, _scope: Scope, request: JsonObject) -> JsonObject:
        resource = self.store.get_by_arn(request["ResourceArn"])
        for key in request["TagKeys"]:
            resource.tags.pop(key, None)
        return {}

    def _describe(
        self, kind: Kind, name_member: str, view: Callable[[Resource], JsonObject]
    ) -> Operation:
        return lambda scope, request: view(self.store.get(scope, kind, request[name_member]))

    def _list(self, kind: Kind, member: str, row: Callable[[Resource], JsonObject]) -> Operation:
        return lambda scope, request: views.page(
            list(self.store.of_kind(scope, kind)), request, member, row
        )

    def _delete(self, kind: Kind, name_member: str) -> Operation:
        def delete(scope: Scope, request: JsonObject) -> JsonObject:
            self.store.delete(scope, kind, request[name_member])
            return {}

        return delete

    def _component(self, scope: Scope, request: JsonObject) -> Resource:
        return self.store.get(scope, Kind.INFERENCE_COMPONENT, request["InferenceComponentName"])

    def _config_of(self, scope: Scope, endpoint: Resource) -> Resource:
        return self.store.get(
            scope, Kind.ENDPOINT_CONFIG, endpoint.definition["EndpointConfigName"]
        )

    def _components_of(self, scope: Scope, endpoint: Resource) -> list[Resource]:
        return [
            component
            for component in self.store.of_kind(scope, Kind.INFERENCE_COMPONENT)
            if component.definition["EndpointName"] == endpoint.name
        ]

    def _image_of(self, scope: Scope, model_name: str | None) -> str | None:
        if model_name is None:
            return None
        model = self.store.get(scope, Kind.MODEL, model_name).definition
        containers: list[Any] = model.get("Containers") or [model["PrimaryContainer"]]
        image: str | None = containers[0].get("Image")
        return image

    def _check_variant(self, scope: Scope, endpoint: Resource, name: str | None) -> None:
        variants = self._config_of(scope, endpoint).definition["ProductionVariants"]
        found = [v for v in variants if name in (None, v["VariantName"])]
        if not found:
            raise RequestRefusedError(f'Could not find variant "{name}" of "{endpoint.arn}".')
        if "ModelName" in found[0]:
            raise RequestRefusedError(
                "Inference Components are not supported in this Endpoint. Please make sure this "
                "endpoint can deploy inference components."
            )

    def _check_models(self, scope: Scope, request: JsonObject) -> None:
        specifications = [request.get("Specification"), *request.get("Specifications", [])]
        for specification in filter(None, specifications):
            if "ModelName" in specification:
                self.store.get(scope, Kind.MODEL, specification["ModelName"])
