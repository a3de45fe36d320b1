"""What a model's container may do."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from cdk.findings import acknowledge_resource
from cdk.weights import jumpstart_bucket
from lambdas.core.catalogue import Image, JumpStartWeights, ModelEntry


def model_role(stack: cdk.Stack, entry: ModelEntry, *, log_groups: list[logs.LogGroup]) -> iam.Role:
    """Allow fetching the image and the weights, and writing to `log_groups`."""
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    statements = [*_image(stack, entry.container.image), _log(log_groups), _metrics()]
    if isinstance(entry.weights, JumpStartWeights):
        statements += _weights(entry.weights)
        acknowledge_resource(
            role, _objects_arn(entry.weights), "One version of one model in JumpStart's bucket."
        )
    for statement in statements:
        role.add_to_policy(statement)
    acknowledge_resource(
        role,
        "*",
        "A registry token and metrics know no resource; the metrics' namespace is limited.",
    )
    return role


def _image(stack: cdk.Stack, image: Image) -> list[iam.PolicyStatement]:
    repository = stack.format_arn(
        service="ecr",
        account=image.account,
        resource="repository",
        resource_name=image.repository,
    )
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return [
        iam.PolicyStatement(actions=pull, resources=[repository]),
        # A token for every registry: the action has no narrower form.
        iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
    ]


def _log(log_groups: list[logs.LogGroup]) -> iam.PolicyStatement:
    actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    return iam.PolicyStatement(
        actions=actions, resources=[group.log_group_arn for group in log_groups]
    )


def _metrics() -> iam.PolicyStatement:
    """Machine metrics; the action knows no resource, so the namespace narrows it."""
    return iam.PolicyStatement(
        actions=["cloudwatch:PutMetricData"],
        resources=["*"],
        conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
    )


def _objects_arn(weights: JumpStartWeights) -> str:
    return f"arn:{cdk.Aws.PARTITION}:s3:::{jumpstart_bucket(weights)}/{weights.prefix}*"


def _weights(weights: JumpStartWeights) -> list[iam.PolicyStatement]:
    bucket = f"arn:{cdk.Aws.PARTITION}:s3:::{jumpstart_bucket(weights)}"
    return [
        iam.PolicyStatement(actions=["s3:GetObject"], resources=[_objects_arn(weights)]),
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket],
            conditions={"StringLike": {"s3:prefix": f"{weights.prefix}*"}},
        ),
    ]
