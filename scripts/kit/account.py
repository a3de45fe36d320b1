"""The AWS account that the developer is signed in to."""

import os
from typing import Any

from scripts.kit.errors import CommandError

_SIGN_IN = "aws sso login, or set AWS_PROFILE and AWS_REGION, then try again"


def client(service: str) -> Any:
    """Make a boto3 client of the developer's own account.

    Raises:
        CommandError: there are no credentials, or no region.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    # boto3 reads AWS_DEFAULT_REGION only; the CDK and the other SDKs read AWS_REGION first.
    session = boto3.session.Session(region_name=os.environ.get("AWS_REGION"))
    try:
        credentials = session.get_credentials()
    except BotoCoreError as error:  # a profile that does not exist, an sso session that is over
        raise CommandError(str(error), next_step=_SIGN_IN) from error
    if credentials is None:
        raise CommandError("no AWS credentials were found", next_step=_SIGN_IN)
    if session.region_name is None:
        raise CommandError(
            "no AWS region is chosen",
            next_step="export AWS_REGION=eu-west-1 (or yours), then try again",
        )
    make: Any = session.client
    return make(service)


def identity() -> dict[str, str]:
    """Ask AWS who is signed in: `Account` and `Arn`.

    Raises:
        CommandError: nobody is, or not any more.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    sts = client("sts")
    try:
        found: dict[str, str] = sts.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"AWS does not accept the credentials: {error}", next_step=_SIGN_IN
        ) from error
    return found
