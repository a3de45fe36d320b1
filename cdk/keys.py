"""The stage's own KMS key, for stages that ask for one."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.config import DeployConfig


def stage_key(
    scope: Construct, config: DeployConfig, *, removal_policy: cdk.RemovalPolicy
) -> kms.Key:
    """Make the key that encrypts the stage's table, bucket and log groups."""
    key = kms.Key(
        scope,
        "Key",
        alias=config.prefix,
        description=f"Data and logs of {config.prefix}",
        enable_key_rotation=True,
        removal_policy=removal_policy,
    )
    key.add_to_resource_policy(_for_log_groups(cdk.Stack.of(scope)))
    return key


def _for_log_groups(stack: cdk.Stack) -> iam.PolicyStatement:
    """Let CloudWatch Logs use the key for the account's log groups, as its guide asks."""
    log_groups = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name="*",
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal(f"logs.{cdk.Aws.REGION}.{cdk.Aws.URL_SUFFIX}")],
        actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"],
        resources=["*"],  # in a key's policy: this key
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
    )
