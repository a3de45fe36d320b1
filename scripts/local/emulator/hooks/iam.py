"""Notes which IAM actions functions use, and answers for services in other processes."""

from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.core.arn import parse_arn
from ministack.services import sts

from scripts.local.emulator.iam_usage import IamUsage, Use

# Calls reach AWS by TLS and the emulator by plain HTTP on loopback. Policies that refuse what is
# not encrypted are asked as in AWS, or they would refuse every call here.
AS_IF_ENCRYPTED = {"s3:TlsVersion": "1.3"}


def install(usage: IamUsage) -> None:
    enforce = iam_evaluator.enforce

    def enforce_and_note(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        source_ip, _ = iam_evaluator._request_origin.get()
        iam_evaluator.pin_request_origin(source_ip, True)  # noqa: FBT003 ministack's signature
        context = {**(service_context or {}), **AS_IF_ENCRYPTED}
        denial = enforce(access_key_id, iam_action, service, region, resource_arn, context)
        session = sts._sessions.get(access_key_id)
        if session is not None:
            usage.note(Use(session["Arn"], iam_action, resource_arn, denial is None))
        return denial

    iam_evaluator.enforce = enforce_and_note


def is_allowed(access_key_id: str, action: str, resource_arn: str) -> bool:
    """Whether the holder of a key may do this: for a service that runs beside the emulator."""
    spec = parse_arn(resource_arn)
    responses.set_request_account_id(access_key_id)
    with responses.request_scope(responses.get_account_id(), spec.region):
        denial = iam_evaluator.enforce(
            access_key_id, action, spec.service, spec.region, resource_arn
        )
    return denial is None
