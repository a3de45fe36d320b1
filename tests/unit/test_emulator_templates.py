"""CloudFormation types of ours: SageMaker and Application Auto Scaling."""

from typing import Any

import pytest

from scripts.local.emulator.autoscaling import AutoScaling, NotFoundError
from scripts.local.emulator.sagemaker_api import SageMaker
from scripts.local.emulator.sagemaker_store import Kind, RequestRefusedError, ResourceStore, Scope
from scripts.local.emulator.sagemaker_templates import TYPES, SageMakerTemplates
from scripts.local.emulator.shapes import ShapeError

HERE = Scope("000000000000", "us-east-1")
MODEL, CONFIG, ENDPOINT, COMPONENT = TYPES
ROLE = "arn:aws:iam::000000000000:role/endpoints"
ROLLING = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": "1"}, "WaitIntervalInSeconds": 0}
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/tiny",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}


@pytest.fixture
def sagemaker() -> SageMaker:
    return SageMaker(ResourceStore())


@pytest.fixture
def templates(sagemaker: SageMaker) -> SageMakerTemplates:
    return SageMakerTemplates(sagemaker, lambda: HERE)


def model_properties() -> dict[str, Any]:
    return {"ModelName": "tiny", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "i:1"}}


def serve(templates: SageMakerTemplates) -> None:
    templates.create(MODEL, "Model", model_properties())
    variant = {"VariantName": "A", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": "1"}
    config = {"EndpointConfigName": "tiny", "ProductionVariants": [variant]}
    templates.create(CONFIG, "Config", config)
    endpoint = {"EndpointName": "tiny", "EndpointConfigName": "tiny"}
    templates.create(ENDPOINT, "Endpoint", endpoint)


def component_properties() -> dict[str, Any]:
    resources = {"MinMemoryRequiredInMb": "1024"}
    return {
        "InferenceComponentName": "tiny",
        "EndpointName": HERE.arn(Kind.ENDPOINT, "tiny"),
        "VariantName": "A",
        "Specification": {"ModelName": "tiny", "ComputeResourceRequirements": resources},
        "RuntimeConfig": {"CopyCount": "1"},
        "DeploymentConfig": {"RollingUpdatePolicy": ROLLING},
    }


def test_ref_is_the_arn_and_getatt_gives_name_and_arn(templates: SageMakerTemplates) -> None:
    made = templates.create(MODEL, "Model", model_properties())
    arn = "arn:aws:sagemaker:us-east-1:000000000000:model/tiny"
    assert made == (arn, {"ModelName": "tiny", "ModelArn": arn})


def test_numbers_written_as_text_and_arns_given_for_names_are_understood(
    templates: SageMakerTemplates,
) -> None:
    serve(templates)
    made = templates.create(COMPONENT, "Component", component_properties())
    assert made.attributes["RuntimeConfig.DesiredCopyCount"] == 1
    assert made.attributes["InferenceComponentStatus"] == "InService"


def test_a_resource_without_a_name_gets_one(templates: SageMakerTemplates) -> None:
    properties = model_properties()
    del properties["ModelName"]
    first, second = (templates.create(MODEL, "Model", properties) for _ in range(2))
    assert first.physical_id != second.physical_id


def test_an_unknown_property_fails_the_stack(templates: SageMakerTemplates) -> None:
    with pytest.raises(ShapeError, match=r"unsupported property PrimaryContainer\.Immage"):
        templates.create(MODEL, "Model", model_properties() | {"PrimaryContainer": {"Immage": "x"}})


def test_a_changed_copy_count_is_applied_in_place(
    templates: SageMakerTemplates, sagemaker: SageMaker
) -> None:
    serve(templates)
    old = component_properties()
    made = templates.create(COMPONENT, "Component", old)
    new = old | {"RuntimeConfig": {"CopyCount": 0}, "Tags": [{"Key": "a", "Value": "b"}]}
    updated = templates.update(COMPONENT, made.physical_id, old, new)
    assert updated.physical_id == made.physical_id
    assert updated.attributes["RuntimeConfig.DesiredCopyCount"] == 0
    assert sagemaker.store.get_by_arn(made.physical_id).tags == {"a": "b"}


def test_deleting_twice_is_no_fault(templates: SageMakerTemplates, sagemaker: SageMaker) -> None:
    made = templates.create(MODEL, "Model", model_properties())
    templates.delete(MODEL, made.physical_id)
    templates.delete(MODEL, made.physical_id)
    assert sagemaker.call(HERE, "ListModels", {})["Models"] == []


def test_a_policy_finds_its_target_by_its_ref() -> None:
    scaling = AutoScaling()
    properties = {**TARGET, "MinCapacity": "0", "MaxCapacity": 1}
    target, _ = scaling.provision_target(HERE, properties)
    policy = {"PolicyName": "wake", "PolicyType": "StepScaling", "ScalingTargetId": target}
    arn, attributes = scaling.provision_policy(HERE, policy)
    namespace = {"ServiceNamespace": "sagemaker"}
    said = scaling.call(HERE, "DescribeScalingPolicies", namespace)["ScalingPolicies"]
    assert [row["PolicyARN"] for row in said] == [arn]
    assert attributes == {"Arn": arn}


def test_a_scalable_target_lives_from_register_to_deregister() -> None:
    scaling = AutoScaling()
    scaling.call(HERE, "RegisterScalableTarget", {**TARGET, "MinCapacity": 0, "MaxCapacity": 1})
    scaling.call(HERE, "RegisterScalableTarget", {**TARGET, "MaxCapacity": 2})
    kept = AutoScaling()
    kept.load(scaling.dump())
    namespace = {"ServiceNamespace": "sagemaker"}
    (target,) = kept.call(HERE, "DescribeScalableTargets", namespace)["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 2)
    kept.call(HERE, "DeregisterScalableTarget", TARGET)
    with pytest.raises(NotFoundError):
        kept.call(HERE, "DeregisterScalableTarget", TARGET)


def test_a_new_target_needs_both_limits() -> None:
    with pytest.raises(RequestRefusedError, match="MinCapacity and MaxCapacity"):
        AutoScaling().call(HERE, "RegisterScalableTarget", {**TARGET, "MaxCapacity": 1})
