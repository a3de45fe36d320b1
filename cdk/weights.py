"""How a container of each family is told where its weights are."""

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker

from lambdas.core.catalogue import (
    HubWeights,
    JumpStartWeights,
    Licence,
    ModelEntry,
    VllmContainer,
    Weights,
)

_MOUNTED = "/opt/ml/model"  # where SageMaker puts weights from S3


def container_env(entry: ModelEntry) -> dict[str, str]:
    """Give the container's variables: the weights' place, then what the entry says, which wins."""
    place = entry.weights.hub_id if isinstance(entry.weights, HubWeights) else _MOUNTED
    if isinstance(entry.container, VllmContainer):
        # Callers name the catalogue id, so the server must know itself by it.
        told = {"SM_VLLM_MODEL": place, "SM_VLLM_SERVED_MODEL_NAME": entry.id}
    else:
        told = {"HF_MODEL_ID": place}
    return told | entry.container.env


def jumpstart_bucket(weights: JumpStartWeights) -> str:
    return weights.bucket.format(region=cdk.Aws.REGION)


def data_source(
    weights: Weights, licence: Licence
) -> sagemaker.CfnModel.ModelDataSourceProperty | None:
    """Describe what SageMaker fetches before the container starts; None: nothing."""
    if isinstance(weights, HubWeights):
        return None
    made = sagemaker.CfnModel
    terms = made.ModelAccessConfigProperty(accept_eula=True) if licence.must_accept else None
    return made.ModelDataSourceProperty(
        s3_data_source=made.S3DataSourceProperty(
            s3_uri=f"s3://{jumpstart_bucket(weights)}/{weights.prefix}",
            s3_data_type="S3Prefix",
            compression_type="None",
            model_access_config=terms,
        )
    )
