"""What AWS says when it is overloaded or out of reach, as the errors of the kit."""

from collections.abc import Iterator
from contextlib import contextmanager

import botocore.exceptions as faults
from botocore.exceptions import ClientError

from lambdas.core.errors import UnavailableError

_RETRY_AFTER_S = 2
_OVERLOADED = {
    "InternalError",
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}


@contextmanager
def translated() -> Iterator[None]:
    """Turns what DynamoDB or S3 says in distress into UnavailableError; the rest passes."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _OVERLOADED:
            raise store_unavailable() from error
        raise
    except (faults.ConnectionError, faults.HTTPClientError) as error:
        raise store_unavailable() from error


def store_unavailable() -> UnavailableError:
    return UnavailableError(
        "the store cannot be reached", retry_after_s=_RETRY_AFTER_S, code="store_busy"
    )


def condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
