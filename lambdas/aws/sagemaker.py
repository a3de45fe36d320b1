"""Models on SageMaker endpoints: the `ModelClient` port on the SageMaker runtime."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import botocore.exceptions as faults
from botocore.exceptions import ClientError, EventStreamError
from urllib3.exceptions import HTTPError

from lambdas.core.catalogue import ModelEntry
from lambdas.core.errors import KitError, ModelFailedError, UnavailableError
from lambdas.core.generation import GenerationRequest, Piece
from lambdas.core.payloads import payload_for
from lambdas.core.payloads.payload import Payload

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

# Scaling out from zero takes minutes (3 to 9 were seen); the client's own limit to wait is 120 s.
_WAKING = ("model_waking", "is asleep and waking", 120)
_ABSENT = ("model_unavailable", "has no endpoint that answers", 120)
_STARTING = ("model_waking", "is starting", 10)
_BUSY = ("model_busy", "is busy", 10)
_UNREACHABLE = ("model_unavailable", "cannot be reached", 10)
_WAITING = {
    "ModelNotReadyException": _STARTING,
    "ServiceUnavailable": _STARTING,
    "ServiceUnavailableException": _STARTING,
    "ThrottlingException": _BUSY,
    "Throttling": _BUSY,
    "TooManyRequestsException": _BUSY,
}
_FAILED = {"InternalFailure", "InternalDependencyException", "InternalServerError"}
# SageMaker tells a sleeping component from an unknown one by its text only.
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
                return _pieces(payload, reply["Body"])
            return payload.read([self._client.invoke_endpoint(**call)["Body"].read()])
        except ClientError as error:
            raise self._translated(entry, error) from error
        except (faults.ConnectionError, faults.HTTPClientError) as error:
            raise _waiting(entry, *_UNREACHABLE) from error

    def _translated(self, entry: ModelEntry, error: ClientError) -> KitError | ClientError:
        """What a refusal of the runtime means; one that is not known stays as it is."""
        fault: dict[str, Any] = dict(error.response)
        code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ModelError":
            status = int(fault.get("OriginalStatusCode") or 500)
            body = fault.get("OriginalMessage") or text
            return payload_for(entry.container.family).refusal(status, body)
        if code in {"ValidationError", "ValidationException"}:
            asleep = any(sign in text.lower() for sign in _ASLEEP)
            return _waiting(entry, *(_WAKING if asleep else _ABSENT))
        if code in _WAITING:
            return _waiting(entry, *_WAITING[code])
        if code in _FAILED:
            return ModelFailedError(f"SageMaker failed to call {entry.id!r}")
        return error


def _waiting(entry: ModelEntry, code: str, state: str, retry_after_s: int) -> UnavailableError:
    message = f"{entry.id!r} {state}; try again in {retry_after_s} s"
    return UnavailableError(message, retry_after_s=retry_after_s, code=code)


def _pieces(payload: Payload, stream: Iterable[Any]) -> Iterator[Piece]:
    """Read a stream and close it at once, however its reply ends."""
    with closing(_parts(stream)) as parts:
        yield from payload.read(parts)


def _parts(stream: Iterable[Any]) -> Generator[bytes, None, None]:
    """The container's bytes, in whatever slices SageMaker cuts them."""
    try:
        for event in stream:
            yield event["PayloadPart"]["Bytes"]
    except EventStreamError as error:
        raise ModelFailedError("the model broke off its reply") from error
    except (faults.ConnectionError, faults.HTTPClientError, HTTPError) as error:
        raise ModelFailedError("the connection to the model broke") from error
    finally:
        close = getattr(stream, "close", None)
        if close:
            close()
