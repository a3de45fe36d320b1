"""Log groups: named, with an end, gone with their stack."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

_DAYS = logs.RetentionDays
_RETENTION = {
    1: _DAYS.ONE_DAY,
    7: _DAYS.ONE_WEEK,
    14: _DAYS.TWO_WEEKS,
    30: _DAYS.ONE_MONTH,
    90: _DAYS.THREE_MONTHS,
    180: _DAYS.SIX_MONTHS,
    365: _DAYS.ONE_YEAR,
}


def log_group(
    scope: Construct, id: str, *, name: str, retention_days: int, key: kms.IKey | None
) -> logs.LogGroup:
    """Make a log group; a kept one would stand in the way of the next deployment's."""
    return logs.LogGroup(
        scope,
        id,
        log_group_name=name,
        retention=_RETENTION[retention_days],
        encryption_key=key,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
