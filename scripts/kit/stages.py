"""Where a stage's API and its user pool are: known from the laptop cloud or from CloudFormation."""

import os
from dataclasses import dataclass
from typing import Any

from scripts.kit.errors import CommandError
from scripts.kit.options import LOCAL

APP = "kit"


@dataclass(frozen=True)
class Stage:
    """What a client of one stage must know. `endpoint_url` is None in AWS."""

    name: str
    base_url: str
    region: str
    user_pool_id: str
    client_id: str
    endpoint_url: str | None = None

    @property
    def is_local(self) -> bool:
        return self.endpoint_url is not None


def load(name: str) -> Stage:
    """Look a stage up.

    Raises:
        CommandError: it is not deployed, or nobody is signed in to AWS.
    """
    if name == LOCAL:
        return _local()
    from scripts.kit import account

    return in_aws(name, account.client("cloudformation"))


def cognito(stage: Stage) -> Any:
    """A client of the stage's user pool service."""
    import boto3

    if stage.endpoint_url is None:
        return boto3.client("cognito-idp", region_name=stage.region)
    from scripts.local.launcher import aws

    return aws.client(stage.endpoint_url, "cognito-idp")


def _local() -> Stage:
    from scripts.local.launcher import outputs, services
    from scripts.local.launcher.layout import Layout

    layout = Layout.from_env(os.environ)
    found = outputs.read(layout)
    if not all(service.healthy for service in services.status(layout)):
        raise CommandError("the laptop cloud is not running", next_step="kit local up")
    return Stage(
        name=LOCAL,
        base_url=found["base_url"],
        region=found["region"],
        user_pool_id=found["user_pool_id"],
        client_id=found["cli_client_id"],
        endpoint_url=found["endpoint_url"],
    )


def in_aws(name: str, cloudformation: Any) -> Stage:
    """Read where a stage is from the outputs of its stacks."""
    identity = _outputs(cloudformation, name, "Identity")
    api = _outputs(cloudformation, name, "Api")
    return Stage(
        name=name,
        base_url=api["ApiUrl"].rstrip("/") + "/v1",
        region=cloudformation.meta.region_name,
        user_pool_id=identity["UserPoolId"],
        client_id=identity["CliClientId"],
    )


def _outputs(cloudformation: Any, stage: str, part: str) -> dict[str, str]:
    from botocore.exceptions import ClientError

    stack = f"{APP}-{stage}-{part}"
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise CommandError(
            f"stage {stage!r} has no stack {stack} in {cloudformation.meta.region_name}",
            next_step=f"kit deploy --stage {stage}",
        ) from error
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
