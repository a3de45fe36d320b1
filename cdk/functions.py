"""Functions: one code asset for all, each with its own role and log group."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.config import NEWEST_PYTHON, DeployConfig
from cdk.findings import acknowledge, acknowledge_resource
from cdk.layers import ROOT, built_layer
from cdk.logs import log_group

# Lambda Web Adapter: turns a function's events into HTTP calls of the server it starts, and streams
# the reply. Source: aws-lambda-web-adapter 1.0.0, README, read on 2026-11-21.
_ADAPTER_ACCOUNT = "753240598075"
_ADAPTER_LAYERS = {"x86_64": "LambdaAdapterLayerX86:27", "arm64": "LambdaAdapterLayerArm64:27"}
ADAPTER_ENV = {
    "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
    "AWS_LWA_INVOKE_MODE": "response_stream",
    "AWS_LWA_PORT": "8080",
    "AWS_LWA_READINESS_CHECK_PATH": "/ready",
}


def code(root: Path = ROOT) -> lambda_.Code:
    """`lambdas/` and `model_configs/` with their folder names kept, and nothing else.

    GIT mode, since in GLOB mode `*` does not match dot files and `.env` gets in.
    """
    only = ["/*", "!/lambdas", "!/model_configs", "__pycache__", ".*"]
    return lambda_.Code.from_asset(str(root), exclude=only, ignore_mode=cdk.IgnoreMode.GIT)


def runtime(config: DeployConfig) -> lambda_.Runtime:
    return lambda_.Runtime(f"python{config.python_version}", lambda_.RuntimeFamily.PYTHON)


def architecture(config: DeployConfig) -> lambda_.Architecture:
    known = lambda_.Architecture
    return known.ARM_64 if config.architecture == "arm64" else known.X86_64


class KitLayer(lambda_.LayerVersion):
    """A layer that `python -m cdk.layers` has built."""

    def __init__(
        self, scope: Construct, id: str, *, layer: str, config: DeployConfig, built: Path
    ) -> None:
        super().__init__(
            scope,
            id,
            layer_version_name=f"{config.prefix}-{layer}",
            code=lambda_.Code.from_asset(str(built_layer(layer, config, built))),
            compatible_runtimes=[runtime(config)],
            compatible_architectures=[architecture(config)],
        )


def adapter_layer(scope: Construct, config: DeployConfig) -> lambda_.ILayerVersion:
    """Find the web adapter's layer in the region of the stack."""
    arn = cdk.Stack.of(scope).format_arn(
        service="lambda",
        account=_ADAPTER_ACCOUNT,
        resource="layer",
        resource_name=_ADAPTER_LAYERS[config.architecture],
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    return lambda_.LayerVersion.from_layer_version_arn(scope, "WebAdapter", arn)


class KitFunction(Construct):
    """A function that may write its own log, and what `statements` say; nothing else."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: DeployConfig,
        handler: str,
        layers: Sequence[lambda_.ILayerVersion],
        environment: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement],
        timeout_s: int = 29,
        memory_mb: int = 512,
        log_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        name = f"{config.prefix}-{id.lower()}"
        self.log_group = log_group(
            self,
            "Logs",
            name=f"/aws/lambda/{name}",
            retention_days=config.log_retention_days,
            key=log_key,
        )
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            runtime=runtime(config),
            architecture=architecture(config),
            code=code(),
            handler=handler,
            layers=list(layers),
            environment=dict(environment),
            timeout=cdk.Duration.seconds(timeout_s),
            memory_size=memory_mb,
            tracing=lambda_.Tracing.ACTIVE,
            log_group=self.log_group,
            role=self._role(statements),
        )
        self._acknowledge(config)

    def _role(self, statements: Sequence[iam.PolicyStatement]) -> iam.Role:
        """Instead of the managed policy for logs, which allows every log group."""
        own_log = iam.PolicyStatement(
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[self.log_group.log_group_arn],
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        for statement in (own_log, *statements):
            role.add_to_policy(statement)
        return role

    def _acknowledge(self, config: DeployConfig) -> None:
        sync = "API Gateway calls it and waits, so a failure is answered, not queued."
        acknowledge(self, {"Serverless-LambdaDLQ": sync})
        acknowledge_resource(self, "*", "X-Ray's two write actions know no resource.")
        if config.python_version != NEWEST_PYTHON:
            chosen = (
                f"The stage asks for Python {config.python_version}; our code runs on 3.11-3.14."
            )
            acknowledge(self, {"AwsSolutions-L1": chosen, "Serverless-LambdaLatestVersion": chosen})
