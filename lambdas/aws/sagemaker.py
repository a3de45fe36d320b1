"""Models on SageMaker endpoints: the `ModelClient` port on the SageMaker runtime."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
    ConnectionError as BotoConnectionError,
    EventStreamError,
    HTTPClientError,
)
from urllib3.exceptions import HTTPError

from lambdas.core.catalogue import ModelEntry
from lambdas.core.errors import KitError, ModelFailedError, UnavailableError
from lambdas.core.generation import GenerationRequest, Piece
from lambdas.core.payloads import payload_for

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

# Scaling out from zero takes minutes (3 to 9 were seen); the client's own limit to wait is 120 s.
_WAKING_RETRY_S = 120
_STARTING_RETRY_S = 10
# SageMaker tells these apart by their text only.
_ASLEEP = ("no capacity", "has no copies", "copy count", "not inservice", "is not in service")


class SageMakerModels:
    """Each catalogue id `m` is served by the inference component `<prefix>m` of an endpoint."""

    def __init__(self, client: "SageMakerRuntimeClient", *, name_prefix: str) -> None:
        self._client = client
        self._name_prefix = name_prefix

    def open(self, entry: ModelEntry, request: GenerationRequest) -> Iterator[Piece]:
        payload = payload_for(entry.container.family)
        name = f"{self._name_prefix}{entry.resource_name}"
        call: Any = {
            "EndpointName": name,
            "InferenceComponentName": name,
            "Body": payload.write(entry, request),
            "ContentType": "application/json",
        }
        try:
            if payload.streams:
                reply = self._client.invoke_endpoint_with_response_stream(**call)
                return payload.read(_parts(reply["Body"]))
            return payload.read([self._client.invoke_endpoint(**call)["Body"].read()])
        except ClientError as error:
            raise self._translated(entry, error) from error
        except (BotoConnectionError, HTTPClientError) as error:
            raise UnavailableError(
                f"{entry.id!r} cannot be reached", retry_after_s=_STARTING_RETRY_S
            ) from error

    def _translated(self, entry: ModelEntry, error: ClientError) -> KitError | ClientError:
        fault: dict[str, Any] = dict(error.response)
        code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ModelError":
            status = int(fault.get("OriginalStatusCode") or 500)
            body = fault.get("OriginalMessage") or text
            return payload_for(entry.container.family).refusal(status, body)
        if code in {"ModelNotReadyException", "ServiceUnavailable", "ServiceUnavailableException"}:
            return _waiting(entry, "is starting", _STARTING_RETRY_S)
        if code in {"ThrottlingException", "Throttling", "TooManyRequestsException"}:
            return _waiting(entry, "is busy", _STARTING_RETRY_S, error_code="model_busy")
        if code in {"ValidationError", "ValidationException"}:
            if any(sign in text.lower() for sign in _ASLEEP):
                return _waiting(entry, "is asleep and waking", _WAKING_RETRY_S)
            return UnavailableError(
                f"{entry.id!r} has no endpoint that answers", retry_after_s=_WAKING_RETRY_S
            )
        if code in {"InternalFailure", "InternalDependencyException", "InternalServerError"}:
            return ModelFailedError(f"SageMaker failed to call {entry.id!r}")
        return error


def _waiting(
    entry: ModelEntry, state: str, retry_after_s: int, *, error_code: str = "model_waking"
) -> UnavailableError:
    return UnavailableError(
        f"{entry.id!r} {state}; try again in {retry_after_s} s",
        retry_after_s=retry_after_s,
        code=error_code,
    )


def _parts(stream: Iterable[Any]) -> Iterator[bytes]:
    """The container's bytes, in whatever slices SageMaker cuts them."""
    try:
        for event in stream:
            yield event["PayloadPart"]["Bytes"]
    except EventStreamError as error:
        raise ModelFailedError("the model broke off its reply") from error
    except (BotoConnectionError, HTTPClientError, HTTPError) as error:
        raise ModelFailedError("the connection to the model broke") from error
    finally:
        close = getattr(stream, "close", None)
        if close:
            close()
