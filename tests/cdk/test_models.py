"""Every entry of the catalogue as a Model stack."""

from pathlib import Path
from typing import Any

import pytest

from lambdas.core.catalogue import HubWeights, ModelEntry, VllmContainer, load_catalogue
from tests.cdk.assembly import Assembly, resolved, statements, synthesise

CATALOGUE = load_catalogue()


@pytest.fixture(params=CATALOGUE.values(), ids=list(CATALOGUE))
def entry(request: pytest.FixtureRequest) -> ModelEntry:
    found: ModelEntry = request.param
    return found


def _one(assembly: Assembly, kind: str, entry: ModelEntry) -> dict[str, Any]:
    (found,) = assembly.properties(f"SageMaker::{kind}", f"Model-{entry.resource_name}")
    resolved_found: dict[str, Any] = resolved(found)
    return resolved_found


def _container(assembly: Assembly, entry: ModelEntry) -> dict[str, Any]:
    found: dict[str, Any] = _one(assembly, "Model", entry)["PrimaryContainer"]
    return found


def test_endpoint_and_component_have_the_name_that_the_chat_function_calls(
    prod: Assembly, entry: ModelEntry
) -> None:
    name = f"kit-prod-{entry.resource_name}"
    assert "." not in name
    assert _one(prod, "Endpoint", entry)["EndpointName"] == name
    assert _one(prod, "InferenceComponent", entry)["InferenceComponentName"] == name


def test_what_cannot_be_changed_is_named_by_what_it_holds(
    prod: Assembly, entry: ModelEntry
) -> None:
    for kind, name in (("Model", "ModelName"), ("EndpointConfig", "EndpointConfigName")):
        found = _one(prod, kind, entry)[name]
        assert found.startswith(f"kit-prod-{entry.resource_name}-")
        assert len(found) <= 63


def test_a_model_says_which_entry_it_is(prod: Assembly, entry: ModelEntry) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in _one(prod, "Model", entry)["Tags"]}
    assert tags == {"kit:app": "kit", "kit:stage": "prod", "kit:model": entry.id}


def test_the_image_is_that_of_the_entry_in_the_stages_region(
    prod: Assembly, entry: ModelEntry
) -> None:
    image = entry.container.image
    assert _container(prod, entry)["Image"] == image.uri(
        region="eu-central-1", suffix="amazonaws.com"
    )


def test_the_container_is_told_where_its_weights_are(prod: Assembly, entry: ModelEntry) -> None:
    env = _container(prod, entry)["Environment"]
    hub = entry.weights.hub_id if isinstance(entry.weights, HubWeights) else "/opt/ml/model"
    if isinstance(entry.container, VllmContainer):
        assert env["SM_VLLM_MODEL"] == hub
        assert env["SM_VLLM_SERVED_MODEL_NAME"] == entry.id
    else:
        assert env["HF_MODEL_ID"] == hub
    assert entry.container.env.items() <= env.items()


def test_weights_from_s3_are_mounted_into_a_container_without_network(
    prod: Assembly, entry: ModelEntry
) -> None:
    model = _one(prod, "Model", entry)
    if isinstance(entry.weights, HubWeights):
        assert "ModelDataSource" not in model["PrimaryContainer"]
        assert model["EnableNetworkIsolation"] is False
    else:
        source = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
        bucket = entry.weights.bucket.format(region="eu-central-1")
        assert source["S3Uri"] == f"s3://{bucket}/{entry.weights.prefix}"
        assert (source["S3DataType"], source["CompressionType"]) == ("S3Prefix", "None")
        assert model["EnableNetworkIsolation"] is True


def test_a_role_reads_weights_only_where_they_come_from_s3(
    prod: Assembly, entry: ModelEntry
) -> None:
    (policy,) = prod.properties("IAM::Policy", f"Model-{entry.resource_name}")
    granted = {
        action: statement["Resource"]
        for statement in statements(policy["PolicyDocument"])
        for action in statement["Action"]
    }
    if isinstance(entry.weights, HubWeights):
        assert not [action for action in granted if action.startswith("s3:")]
    else:
        bucket = entry.weights.bucket.format(region="eu-central-1")
        assert granted["s3:GetObject"] == [f"arn:aws:s3:::{bucket}/{entry.weights.prefix}*"]
    (repository,) = granted["ecr:BatchGetImage"]
    assert repository.endswith(f":repository/{entry.container.image.repository}")


def test_the_machine_is_the_entrys_first_and_there_may_be_none_of_it(
    prod: Assembly, entry: ModelEntry
) -> None:
    (variant,) = _one(prod, "EndpointConfig", entry)["ProductionVariants"]
    assert variant["InstanceType"] == entry.instances[0].type
    assert variant["ManagedInstanceScaling"] == {
        "Status": "ENABLED",
        "MinInstanceCount": 0,
        "MaxInstanceCount": 1,
    }
    assert "ModelName" not in variant


def test_images_built_for_cuda_13_get_a_host_that_runs_them(
    prod: Assembly, entry: ModelEntry
) -> None:
    (variant,) = _one(prod, "EndpointConfig", entry)["ProductionVariants"]
    newer = isinstance(entry.container, VllmContainer)
    wanted = "al2-ami-sagemaker-inference-gpu-3-1" if newer else None
    assert variant.get("InferenceAmiVersion") == wanted


def test_a_copy_reserves_what_the_entry_says(prod: Assembly, entry: ModelEntry) -> None:
    needs = _one(prod, "InferenceComponent", entry)["Specification"]["ComputeResourceRequirements"]
    machine = entry.instances[0]
    assert needs["MinMemoryRequiredInMb"] == machine.memory_mb
    assert needs.get("NumberOfAcceleratorDevicesRequired", 0) == machine.accelerators


def test_a_model_sleeps_by_load_and_wakes_at_the_first_call_that_fails(
    prod: Assembly, entry: ModelEntry
) -> None:
    part, name = f"Model-{entry.resource_name}", f"kit-prod-{entry.resource_name}"
    (target,) = prod.properties("ApplicationAutoScaling::ScalableTarget", part)
    assert (target["MinCapacity"], target["ResourceId"]) == (0, f"inference-component/{name}")
    policies = dict(prod.resources("ApplicationAutoScaling::ScalingPolicy", part))
    kinds = {p["Properties"]["PolicyType"]: id for id, p in policies.items()}
    assert set(kinds) == {"TargetTrackingScaling", "StepScaling"}
    (alarm,) = prod.properties("CloudWatch::Alarm", part)
    assert alarm["MetricName"] == "NoCapacityInvocationFailures"
    assert alarm["Dimensions"] == [{"Name": "InferenceComponentName", "Value": name}]
    assert alarm["AlarmActions"] == [{"Fn::GetAtt": [kinds["StepScaling"], "Arn"]}]


def test_a_changed_choice_makes_a_new_configuration_beside_the_old_one(
    tmp_path: Path, layers: Path, prod: Assembly
) -> None:
    """With one name for both, CloudFormation would refuse to replace it."""
    entry = CATALOGUE["flan-t5-base"]
    changed = synthesise(tmp_path, layers, stage="prod", models=entry.id, most_copies="2")
    names = {_one(a, "EndpointConfig", entry)["EndpointConfigName"] for a in (prod, changed)}
    assert len(names) == 2
    unchanged = {_one(a, "Model", entry)["ModelName"] for a in (prod, changed)}
    assert len(unchanged) == 1


def test_a_stage_that_does_not_scale_keeps_its_machine(tmp_path: Path, layers: Path) -> None:
    made = synthesise(tmp_path, layers, stage="dev", models="flan-t5-base", scale_to_zero="false")
    (config,) = made.properties("SageMaker::EndpointConfig")
    assert config["ProductionVariants"][0]["ManagedInstanceScaling"]["MinInstanceCount"] == 1
    assert made.properties("ApplicationAutoScaling::ScalableTarget") == []
