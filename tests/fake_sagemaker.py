"""SageMaker's control plane, IAM and S3, as far as the local runtime asks them; boto3 parses it."""

import threading
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ARN = "arn:aws:sagemaker:us-east-1:000000000000"


class FakeSageMaker:
    """Endpoints by name; every model's tag `kit:model` is in `models`."""

    def __init__(self) -> None:
        self.models: dict[str, str] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.components: dict[str, dict[str, Any]] = {}
        self.objects: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.denied: set[str] = set()
        self._written = threading.Condition()

    def add_endpoint(self, name: str, model_id: str = "", *, failure_path: bool = True) -> None:
        """Add an endpoint with a model of its own, or (without one) for inference components."""
        variant = {"VariantName": "AllTraffic", **({"ModelName": name} if model_id else {})}
        paths = {"S3OutputPath": "s3://results/out"}
        if failure_path:
            paths["S3FailurePath"] = "s3://results/failed"
        self.endpoints[name] = {
            "EndpointName": name,
            "EndpointArn": f"{ARN}:endpoint/{name}",
            "EndpointConfigName": name,
            "EndpointStatus": "InService",
            "CreationTime": 1,
            "LastModifiedTime": 1,
            "config": {
                "EndpointConfigName": name,
                "EndpointConfigArn": f"{ARN}:endpoint-config/{name}",
                "ProductionVariants": [variant],
                "CreationTime": 1,
                **({"AsyncInferenceConfig": {"OutputConfig": paths}} if model_id else {}),
            },
        }
        if model_id:
            self.models[name] = model_id

    def add_component(self, name: str, endpoint: str, model_id: str, *, copies: int = 1) -> None:
        self.models[name] = model_id
        self.components[name] = {
            "InferenceComponentName": name,
            "InferenceComponentArn": f"{ARN}:inference-component/{name}",
            "EndpointName": endpoint,
            "EndpointArn": f"{ARN}:endpoint/{endpoint}",
            "InferenceComponentStatus": "InService",
            "Specification": {"ModelName": name},
            "RuntimeConfig": {"DesiredCopyCount": copies, "CurrentCopyCount": copies},
            "CreationTime": 1,
            "LastModifiedTime": 1,
        }

    def wait_for_object(self, key: str, limit_s: float = 20) -> bytes:
        with self._written:
            if not self._written.wait_for(lambda: key in self.objects, limit_s):
                raise TimeoutError(f"{key} was not written; there are {sorted(self.objects)}")
            return self.objects[key]

    def app(self) -> Starlette:
        s3 = Route("/{key:path}", self._object, methods=["GET", "PUT"])
        authorize = Route("/_kit/authorize", self._authorize)
        return Starlette(routes=[Route("/", self._call, methods=["POST"]), authorize, s3])

    async def _authorize(self, request: Request) -> Response:
        """What IAM says, as the emulator tells it; `denied` holds access keys."""
        return JSONResponse({"allowed": request.query_params["access_key"] not in self.denied})

    async def _call(self, request: Request) -> Response:
        name = request.headers["x-amz-target"].removeprefix("SageMaker.")
        self.calls.append(name)
        asked = await request.json()
        try:
            return JSONResponse(self._found(name, asked), media_type="application/x-amz-json-1.1")
        except KeyError as error:
            body = {"__type": "ValidationException", "message": f"Could not find {error}"}
            return JSONResponse(body, 400)

    def _found(self, name: str, asked: dict[str, str]) -> dict[str, Any]:
        if name == "DescribeEndpoint":
            found = self.endpoints[asked["EndpointName"]]
            return {key: value for key, value in found.items() if key != "config"}
        if name == "DescribeEndpointConfig":
            config: dict[str, Any] = self.endpoints[asked["EndpointConfigName"]]["config"]
            return config
        if name == "DescribeInferenceComponent":
            return self.components[asked["InferenceComponentName"]]
        if name == "ListTags":
            model = asked["ResourceArn"].removeprefix(f"{ARN}:model/")
            return {"Tags": [{"Key": "kit:model", "Value": self.models[model]}]}
        raise NotImplementedError(name)

    async def _object(self, request: Request) -> Response:
        key = request.path_params["key"]
        if request.method == "PUT":
            body = await request.body()
            with self._written:
                self.objects[key] = body
                self._written.notify_all()
            return Response(headers={"etag": '"1"'})
        if key not in self.objects:
            text = "<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
            return Response(text, 404, media_type="application/xml")
        return Response(self.objects[key])
