"""Every error that the kit raises on purpose, by what the one who sees it can do.

KitError
├── InvalidRequestError      change the request
├── UnauthenticatedError     sign in
├── NotFoundError            name another
├── ConflictError            look at the present state, then decide
├── LimitExceededError       slow down, try again later
├── UnavailableError         wait for the model or the store, try again later
├── ModelFailedError         the model answered wrongly; another model may not
└── ConfigurationError       the operator must mend a file or a setting

`str(error)` is safe to show to the caller; `code` is stable API.
"""


class KitError(Exception):
    """Base of the tree: a message to show, a stable code, the request field at fault if any."""

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.param = param


class InvalidRequestError(KitError):
    code = "invalid_request"


class UnauthenticatedError(KitError):
    code = "invalid_api_key"


class NotFoundError(KitError):
    code = "not_found"


class ConflictError(KitError):
    code = "conflict"


class LimitExceededError(KitError):
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after_s: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class UnavailableError(KitError):
    code = "unavailable"

    def __init__(self, message: str, *, retry_after_s: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class ModelFailedError(KitError):
    code = "model_failed"


class ConfigurationError(KitError):
    code = "configuration"
