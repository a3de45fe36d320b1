"""What a model's container may do."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from cdk.weights import jumpstart_bucket
from lambdas.core.catalogue import Image, JumpStartWeights, ModelEntry


def model_role(stack: cdk.Stack, entry: ModelEntry, *, name: str) -> iam.Role:
    """Allow fetching the image and the weights, and writing the log of endpoint `name`."""
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    statements = [*_image(stack, entry.container.image), _log(stack, name), _metrics()]
    if isinstance(entry.weights, JumpStartWeights):
        statements += _weights(entry.weights)
    for statement in statements:
        role.add_to_policy(statement)
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


def _log(stack: cdk.Stack, name: str) -> iam.PolicyStatement:
    groups = [
        stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"/aws/sagemaker/{kind}/{name}:*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        for kind in ("Endpoints", "InferenceComponents")
    ]
    actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    return iam.PolicyStatement(actions=actions, resources=groups)


def _metrics() -> iam.PolicyStatement:
    """Machine metrics; the action knows no resource, so the namespace narrows it."""
    return iam.PolicyStatement(
        actions=["cloudwatch:PutMetricData"],
        resources=["*"],
        conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
    )


def _weights(weights: JumpStartWeights) -> list[iam.PolicyStatement]:
    bucket = f"arn:{cdk.Aws.PARTITION}:s3:::{jumpstart_bucket(weights)}"
    return [
        iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"{bucket}/{weights.prefix}*"]),
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket],
            conditions={"StringLike": {"s3:prefix": f"{weights.prefix}*"}},
        ),
    ]
