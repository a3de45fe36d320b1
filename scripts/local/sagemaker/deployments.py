"""Which model stands behind an endpoint: asked from the control plane, remembered for seconds."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from scripts.local.sagemaker.faults import InvalidCallError, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import (
        DescribeEndpointOutputTypeDef,
        DescribeInferenceComponentOutputTypeDef,
    )

MODEL_TAG = "kit:model"
LIVE_ENDPOINT = {"InService", "Updating", "SystemUpdating", "RollingBack"}
COMPONENT_NAME_MISSING = (
    "Inference Component Name header is required for endpoints to which you plan to deploy "
    "inference components. Please include Inference Component Name header or consider using "
    "SageMaker models."
)
NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be "
    "in-progress (if configured) or try to increase the capacity by invoking "
    "UpdateInferenceComponentRuntimeConfig API."
)


@dataclass(frozen=True)
class AsyncPaths:
    """Where results of asynchronous calls go: S3 addresses of folders."""

    output: str
    failure: str | None


@dataclass(frozen=True)
class Deployment:
    """A model that can be called: the catalogue's id of it and what its replies mention."""

    model_id: str
    variant: str
    log_group_arn: str
    async_paths: AsyncPaths | None = None


class ControlPlane(Protocol):
    def deployment(self, endpoint: str, component: str | None) -> Deployment:
        """Look up what serves a call.

        Raises:
            InvalidCallError: no such endpoint or component, or it has no capacity.
            UnavailableError: the control plane does not answer.
        """


class BotoControlPlane:
    """The control plane behind boto3's `sagemaker` client."""

    def __init__(self, client: "SageMakerClient", *, account: str) -> None:
        self._client = client
        self._account = account

    def deployment(self, endpoint: str, component: str | None) -> Deployment:
        try:
            return self._deployment(endpoint, component)
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"the control plane failed: {error}") from error

    def _deployment(self, endpoint: str, component: str | None) -> Deployment:
        found = self._endpoint(endpoint)
        config = self._client.describe_endpoint_config(
            EndpointConfigName=found["EndpointConfigName"]
        )
        variant = config["ProductionVariants"][0]
        model = (
            self._component_model(endpoint, component) if component else variant.get("ModelName")
        )
        if not model:
            raise InvalidCallError(
                COMPONENT_NAME_MISSING, ErrorCode="INFERENCE_COMPONENT_NAME_MISSING"
            )
        output = config.get("AsyncInferenceConfig", {}).get("OutputConfig", {})
        paths = None
        if "S3OutputPath" in output:
            paths = AsyncPaths(output["S3OutputPath"], output.get("S3FailurePath"))
        group = f"InferenceComponents/{component}" if component else f"Endpoints/{endpoint}"
        return Deployment(
            model_id=self._model_id(model, found["EndpointArn"]),
            variant=variant["VariantName"],
            log_group_arn=f"arn:aws:logs:{_region(found)}:{self._account}:log-group:/aws/sagemaker/{group}",
            async_paths=paths,
        )

    def _endpoint(self, name: str) -> "DescribeEndpointOutputTypeDef":
        missing = InvalidCallError(f"Endpoint {name} of account {self._account} not found.")
        try:
            found = self._client.describe_endpoint(EndpointName=name)
        except ClientError as error:
            raise (missing if _is_missing(error) else error) from error
        if found["EndpointStatus"] not in LIVE_ENDPOINT:
            raise missing
        return found

    def _component_model(self, endpoint: str, name: str) -> str:
        found = self._component(endpoint, name)
        status = found.get("InferenceComponentStatus")
        copies = found.get("RuntimeConfig", {}).get("CurrentCopyCount", 0)
        if status not in {"InService", "Updating"} or not copies:
            raise InvalidCallError(NO_CAPACITY)
        return found["Specification"].get("ModelName", "")

    def _component(self, endpoint: str, name: str) -> "DescribeInferenceComponentOutputTypeDef":
        missing = InvalidCallError(
            f"Inference Component {name} of account {self._account} not found."
        )
        try:
            found = self._client.describe_inference_component(InferenceComponentName=name)
        except ClientError as error:
            raise (missing if _is_missing(error) else error) from error
        if found["EndpointName"] != endpoint:
            raise missing
        return found

    def _model_id(self, model: str, endpoint_arn: str) -> str:
        """Read the catalogue id from the model's tag; the model's ARN differs in its last part."""
        arn = f"{endpoint_arn.partition(':endpoint/')[0]}:model/{model}"
        tags = self._client.list_tags(ResourceArn=arn)["Tags"]
        ids = [tag["Value"] for tag in tags if tag["Key"] == MODEL_TAG]
        if not ids:
            raise InvalidCallError(f"SageMaker model {model} has no tag {MODEL_TAG}")
        return ids[0]


class Deployments:
    """A control plane with a memory, so that most calls cost no further hop.

    Only good answers are kept, for `keep_s`: an endpoint that is gone is served at most that long.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        *,
        keep_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._control_plane = control_plane
        self._keep_s = keep_s
        self._now = now
        self._known: dict[tuple[str, str | None], tuple[float, Deployment]] = {}

    async def find(self, endpoint: str, component: str | None) -> Deployment:
        known = self._known.get((endpoint, component))
        if known and self._now() - known[0] < self._keep_s:
            return known[1]
        found = await asyncio.to_thread(self._control_plane.deployment, endpoint, component)
        self._known[endpoint, component] = (self._now(), found)
        return found


def _is_missing(error: ClientError) -> bool:
    """SageMaker answers `ValidationException: Could not find ...` for what does not exist."""
    return error.response["Error"]["Code"] in {"ValidationException", "ResourceNotFound"}


def _region(endpoint: "DescribeEndpointOutputTypeDef") -> str:
    return endpoint["EndpointArn"].split(":")[3]
