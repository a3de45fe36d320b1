"""Acknowledged findings of cdk-nag: the reason stands beside the construct it is about."""

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(scope: IConstruct, reasons: dict[str, str]) -> None:
    """Accept findings on `scope` and below, each by its full id, such as `AwsSolutions-S1`."""
    rules = [cdk.Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items()]
    cdk.Validations.of(scope).acknowledge(*rules)
