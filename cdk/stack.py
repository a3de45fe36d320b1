"""What every stack of a stage shares: its name, its tags, what happens to its data."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk import names
from cdk.config import DeployConfig


class KitStack(cdk.Stack):
    """A stack `<app>-<stage>-<part>`, free of account and region."""

    def __init__(self, scope: Construct, part: str, config: DeployConfig) -> None:
        super().__init__(
            scope,
            f"{config.prefix}-{part}",
            description=f"LLM App Kit, stage {config.stage}: {part}",
            analytics_reporting=False,
        )
        self.config = config
        cdk.Tags.of(self).add("kit:app", config.app)
        cdk.Tags.of(self).add("kit:stage", config.stage)

    @property
    def keep(self) -> cdk.RemovalPolicy:
        """For what holds users' data or accounts."""
        retain = self.config.retain_data
        return cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY

    def stage_key(self) -> kms.IKey | None:
        """Find the key that Data made, in a stage with keys of its own."""
        if not self.config.own_keys:
            return None
        return kms.Key.from_key_arn(self, "Key", self.parameter(names.key_parameter(self.config)))

    def parameter(self, name: str) -> str:
        """Read at deployment what another stack left, without an export that ties the two."""
        return ssm.StringParameter.value_for_string_parameter(self, name)

    def output(self, name: str, value: str) -> None:
        cdk.CfnOutput(self, name, value=value)
