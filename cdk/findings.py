"""Security findings of cdk-nag: every rule runs at synth; a reason stands where one is accepted."""

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from constructs import IConstruct

_PSEUDO = {
    cdk.Aws.PARTITION: "<AWS::Partition>",
    cdk.Aws.REGION: "<AWS::Region>",
    cdk.Aws.ACCOUNT_ID: "<AWS::AccountId>",
}


def check(app: cdk.App) -> None:
    """Let synth fail on every finding of the two packs that nobody has acknowledged."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))


def acknowledge(scope: IConstruct, reasons: dict[str, str]) -> None:
    """Accept findings on `scope` and below, each by its full id, such as `AwsSolutions-S1`."""
    rules = [cdk.Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items()]
    cdk.Validations.of(scope).acknowledge(*rules)


def acknowledge_resource(scope: IConstruct, resource: str, reason: str) -> None:
    """Accept a `*` in the resource of a policy, with the reason why it cannot be narrower."""
    for token, shown in _PSEUDO.items():
        resource = resource.replace(token, shown)
    acknowledge(scope, {f"AwsSolutions-IAM5[Resource::{resource}]": reason})
