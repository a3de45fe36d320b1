"""Notes which IAM actions functions use while IAM is enforced."""

from typing import Any

from ministack.core import iam_evaluator
from ministack.services import sts

from scripts.local.emulator.iam_usage import IamUsage, Use


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
        denial = enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
        session = sts._sessions.get(access_key_id)
        if session is not None:
            usage.note(Use(session["Arn"], iam_action, resource_arn, denial is None))
        return denial

    iam_evaluator.enforce = enforce_and_note
