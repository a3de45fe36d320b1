"""How calls of AWS fail: the bodies are those of the services, the rest is what networks do."""

import json
from dataclasses import dataclass, field
from typing import Any

DYNAMODB = "com.amazonaws.dynamodb.v20120810#"
THROUGHPUT = (
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing"
    " your provisioning level with the UpdateTable API."
)


@dataclass(frozen=True)
class Refuse:
    """The service answers with an error and does nothing."""

    name: str
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Delay:
    """The call is late on its way there."""

    seconds: float
    name: str = "late"


@dataclass(frozen=True)
class LoseCall:
    """The connection breaks before the service has the call."""

    name: str = "call lost"


@dataclass(frozen=True)
class LoseAnswer:
    """The service does its work, and the connection breaks before its answer: the dangerous one."""

    name: str = "answer lost"


@dataclass(frozen=True)
class CutAnswer:
    """The connection breaks in the middle of the answer."""

    after_bytes: int
    name: str = "answer cut"


Fault = Refuse | Delay | LoseCall | LoseAnswer | CutAnswer


def dynamodb_error(code: str, message: str, status: int = 400, **more: Any) -> Refuse:
    body = {"__type": DYNAMODB + code, "message": message, **more}
    headers = {"content-type": "application/x-amz-json-1.0"}
    return Refuse(code, status, json.dumps(body).encode(), headers)


def cancelled(*codes: str) -> Refuse:
    """A transaction that others were in the way of; a code for each of its steps."""
    reasons = [{"Code": c} if c == "None" else {"Code": c, "Message": c} for c in codes]
    told = f"Transaction cancelled, please refer cancellation reasons [{', '.join(codes)}]"
    error = dynamodb_error("TransactionCanceledException", told, CancellationReasons=reasons)
    worst = next((code for code in codes if code != "None"), "None")
    return Refuse(worst, error.status, error.body, error.headers)


def s3_error(code: str, status: int) -> Refuse:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>"
    return Refuse(code, status, body.encode(), {"content-type": "application/xml"})


def sagemaker_error(code: str, status: int, message: str) -> Refuse:
    body = json.dumps({"Message": message}).encode()
    headers = {"content-type": "application/json", "x-amzn-errortype": code}
    return Refuse(code, status, body, headers)


THROTTLED = dynamodb_error("ProvisionedThroughputExceededException", THROUGHPUT)
OUT = dynamodb_error("InternalServerError", "Internal server error", 500)
CONFLICT = cancelled("None", "None", "TransactionConflict")
CROWDED = cancelled("None", "ThrottlingError")
S3_SLOW_DOWN = s3_error("SlowDown", 503)
S3_OUT = s3_error("InternalError", 500)
MODEL_BUSY = sagemaker_error("ThrottlingException", 400, "Rate exceeded")
MODEL_STARTING = sagemaker_error("ServiceUnavailable", 503, "Service Unavailable")
MODEL_OUT = sagemaker_error("InternalFailure", 500, "Internal failure")


@dataclass(frozen=True)
class AwsCall:
    """A call on its way: what the SDK names it, and what it means to a turn."""

    operation: str
    path: str
    body: bytes

    @property
    def step(self) -> str:
        if self.operation == "TransactWriteItems":
            return _step_of_transaction(self.body)
        if self.operation == "UpdateItem":
            return "save" if b":attempt" in self.body else "ask to stop"
        if self.operation == "GetItem":
            return "look for a stop" if b'"ConsistentRead": false' in self.body else "find"
        return {"PUT": "put text", "GET": "get text", "Query": "history"}.get(
            self.operation, self.operation
        )


def _step_of_transaction(body: bytes) -> str:
    steps = json.loads(body)["TransactItems"]
    if any("Put" in step for step in steps):
        return "start"
    if b"ADD tokens" in body:
        return "finish"
    return "give back"
