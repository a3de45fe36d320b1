"""What each function may do, and on what: the one place to look at when a grant changes."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from cdk import names
from cdk.config import DeployConfig
from cdk.stack import KitStack
from lambdas.core.catalogue import ModelEntry

TEXTS = "turns"  # the prefix of long texts in the bucket
_KEY_USE = ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo")


@dataclass(frozen=True)
class Access:
    """Actions on the table, on its index of sessions, on long texts, and on models.

    With `lists_texts` the names of the sessions' long texts can be listed, of nothing else.
    """

    table: tuple[str, ...] = ()
    sessions_index: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    lists_texts: bool = False
    models: tuple[str, ...] = ()


# TransactWriteItems has no action of its own: each of its steps needs that of the step.
CHAT = Access(
    table=("GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"),
    texts=("GetObject", "PutObject", "DeleteObject"),  # of turns that were refused
    models=("InvokeEndpoint",),  # covers the response stream too
)
MODELS = Access()
SESSIONS = Access(
    table=("GetItem", "Query", "UpdateItem", "DeleteItem"),
    sessions_index=("Query",),
    texts=("GetObject", "DeleteObject"),
    lists_texts=True,
)


def statements(
    access: Access, stack: KitStack, entries: list[ModelEntry], *, key: kms.IKey | None
) -> list[iam.PolicyStatement]:
    """Write `access` down for the resources of the stage, and for the key that encrypts them."""
    config = stack.config
    table = _arn(stack, "dynamodb", "table", names.table_name(config))
    model_names = [names.model_name(config, entry) for entry in entries]
    kinds = ("endpoint", "inference-component")
    models = [_arn(stack, "sagemaker", kind, name) for kind in kinds for name in model_names]
    granted = [
        ("dynamodb", access.table, [table]),
        ("dynamodb", access.sessions_index, [f"{table}/index/{names.SESSIONS_INDEX}"]),
        ("s3", access.texts, [texts_arn(config)]),
        ("sagemaker", access.models, models),
    ]
    made = [
        iam.PolicyStatement(actions=[f"{service}:{action}" for action in actions], resources=arns)
        for service, actions, arns in granted
        if actions and arns
    ]
    made += [_texts_listed(config)] if access.lists_texts else []
    return [*made, _key_use(key)] if key and access.table else made


def texts_arn(config: DeployConfig) -> str:
    return f"arn:{cdk.Aws.PARTITION}:s3:::{names.text_bucket_name(config)}/{TEXTS}/*"


def _texts_listed(config: DeployConfig) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=["s3:ListBucket"],
        resources=[f"arn:{cdk.Aws.PARTITION}:s3:::{names.text_bucket_name(config)}"],
        conditions={"StringLike": {"s3:prefix": f"{TEXTS}/kept/*"}},
    )


def _key_use(key: kms.IKey) -> iam.PolicyStatement:
    """Let the table and the bucket use the key on the function's behalf, and nothing else."""
    services = [f"{name}.{cdk.Aws.REGION}.{cdk.Aws.URL_SUFFIX}" for name in ("dynamodb", "s3")]
    return iam.PolicyStatement(
        actions=[f"kms:{action}" for action in _KEY_USE],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": services}},
    )


def _arn(stack: cdk.Stack, service: str, kind: str, name: str) -> str:
    return stack.format_arn(service=service, resource=kind, resource_name=name)
