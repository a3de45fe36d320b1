"""The errors of the SageMaker runtime, in the form that boto3 parses."""

from starlette.responses import JSONResponse


class RuntimeServiceError(Exception):
    """Answered to the caller as the API's error `kind`; `members` go into the body as they are."""

    kind = "InternalFailure"
    status = 500

    def __init__(self, message: str, **members: str | int) -> None:
        super().__init__(message)
        self.members = members

    def response(self) -> JSONResponse:
        body = {"Message": str(self), **self.members}
        return JSONResponse(body, self.status, {"x-amzn-ErrorType": self.kind})


class InvalidCallError(RuntimeServiceError):
    kind = "ValidationError"
    status = 400


class AccessDeniedError(RuntimeServiceError):
    kind = "AccessDeniedException"
    status = 403


class BodyTooLargeError(RuntimeServiceError):
    kind = "ValidationError"
    status = 413


class ModelFailedError(RuntimeServiceError):
    """What the container answered, or that it did not; HTTP 424 for each of its own statuses."""

    kind = "ModelError"
    status = 424


class UnavailableError(RuntimeServiceError):
    kind = "ServiceUnavailable"
    status = 503


class ContainerError(Exception):
    """The container answered `status` with `text`; 0 is a container that did not answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text
