"""Physical names and parameters by which stacks find each other: no cross-stack exports."""

import aws_cdk as cdk

from cdk.config import DeployConfig
from lambdas.core.catalogue import ModelEntry

# An index has the keys `<name>pk` and `<name>sk`.
SESSIONS_INDEX = "gsi1"
FEEDBACK_INDEX = "gsi2"


def table_name(config: DeployConfig) -> str:
    return config.prefix


def text_bucket_name(config: DeployConfig) -> str:
    """Bucket names are shared by all accounts and regions."""
    return f"{config.prefix}-text-{cdk.Aws.ACCOUNT_ID}-{cdk.Aws.REGION}"


def model_name(config: DeployConfig, entry: ModelEntry) -> str:
    """Of the endpoint and of the inference component."""
    return f"{config.prefix}-{entry.resource_name}"


def user_pool_parameter(config: DeployConfig) -> str:
    """Where Identity leaves the user pool's ARN: AWS chooses its id."""
    return f"/{config.app}/{config.stage}/user-pool-arn"


def key_parameter(config: DeployConfig) -> str:
    """Where Data leaves its key's ARN, in a stage with keys of its own."""
    return f"/{config.app}/{config.stage}/key-arn"
