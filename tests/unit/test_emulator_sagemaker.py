"""The emulator's SageMaker control plane, held against botocore's description of the service."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import ListShape, Shape, StructureShape
from botocore.parsers import create_parser

from scripts.local.emulator.sagemaker_api import SageMaker
from scripts.local.emulator.sagemaker_store import RequestRefusedError, ResourceStore, Scope
from scripts.local.emulator.shapes import service_model

HERE = Scope("000000000000", "us-east-1")
ROLE = "arn:aws:iam::000000000000:role/endpoints"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/vllm:1"
NAME = "kit-local-tiny"


def create_requests() -> dict[str, dict[str, Any]]:
    """What makes a model served by an inference component, in order."""
    variant = {
        "VariantName": "AllTraffic",
        "InstanceType": "ml.g5.xlarge",
        "InitialInstanceCount": 1,
        "ManagedInstanceScaling": {
            "Status": "ENABLED",
            "MinInstanceCount": 0,
            "MaxInstanceCount": 1,
        },
    }
    return {
        "CreateModel": {
            "ModelName": NAME,
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": {"Image": IMAGE},
            "Tags": [{"Key": "kit:model", "Value": "tiny"}],
        },
        "CreateEndpointConfig": {
            "EndpointConfigName": NAME,
            "ExecutionRoleArn": ROLE,
            "ProductionVariants": [variant],
        },
        "CreateEndpoint": {"EndpointName": NAME, "EndpointConfigName": NAME},
        "CreateInferenceComponent": {
            "InferenceComponentName": NAME,
            "EndpointName": NAME,
            "VariantName": "AllTraffic",
            "Specification": {
                "ModelName": NAME,
                "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024},
            },
            "RuntimeConfig": {"CopyCount": 1},
        },
    }


def a_served_model() -> SageMaker:
    sagemaker = SageMaker(ResourceStore())
    for operation, request in create_requests().items():
        sagemaker.call(HERE, operation, request)
    return sagemaker


def as_boto3_reads_it(operation: str, answer: dict[str, Any]) -> dict[str, Any]:
    shape = service_model("sagemaker").operation_model(operation).output_shape
    if shape is None:
        return answer
    raw = {"status_code": 200, "headers": {}, "body": json.dumps(answer).encode()}
    parsed: dict[str, Any] = create_parser("json").parse(raw, shape)
    return parsed


def missing_members(value: Any, shape: Shape | None, path: str = "") -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from (f"{path}.{name}" for name in shape.required_members if name not in value)
        for name in shape.members.keys() & value.keys():
            yield from missing_members(value[name], shape.members[name], f"{path}.{name}")
        yield from (f"{path}.{name} (unknown)" for name in value.keys() - shape.members.keys())
    elif isinstance(shape, ListShape):
        for item in value:
            yield from missing_members(item, shape.member, path)


ARN = f"arn:aws:sagemaker:us-east-1:000000000000:model/{NAME}"
OTHER_REQUESTS: dict[str, dict[str, Any]] = {
    "DescribeModel": {"ModelName": NAME},
    "ListModels": {},
    "DescribeEndpointConfig": {"EndpointConfigName": NAME},
    "ListEndpointConfigs": {},
    "DescribeEndpoint": {"EndpointName": NAME},
    "ListEndpoints": {},
    "UpdateEndpoint": {"EndpointName": NAME, "EndpointConfigName": NAME},
    "DescribeInferenceComponent": {"InferenceComponentName": NAME},
    "ListInferenceComponents": {"EndpointNameEquals": NAME},
    "UpdateInferenceComponent": {
        "InferenceComponentName": NAME,
        "RuntimeConfig": {"CopyCount": 2},
    },
    "UpdateInferenceComponentRuntimeConfig": {
        "InferenceComponentName": NAME,
        "DesiredRuntimeConfig": {"CopyCount": 0},
    },
    "AddTags": {"ResourceArn": ARN, "Tags": [{"Key": "a", "Value": "b"}]},
    "ListTags": {"ResourceArn": ARN},
    "DeleteTags": {"ResourceArn": ARN, "TagKeys": ["a"]},
    "DeleteInferenceComponent": {"InferenceComponentName": NAME},
    "DeleteModel": {"ModelName": NAME},
    "DeleteEndpointConfig": {"EndpointConfigName": NAME},
}


@pytest.mark.parametrize("operation", OTHER_REQUESTS)
def test_every_answer_has_what_the_service_model_requires(operation: str) -> None:
    answer = a_served_model().call(HERE, operation, OTHER_REQUESTS[operation])
    as_boto3_reads_it(operation, answer)
    shape = service_model("sagemaker").operation_model(operation).output_shape
    assert list(missing_members(answer, shape)) == []


def test_every_create_answer_has_what_the_service_model_requires() -> None:
    sagemaker = SageMaker(ResourceStore())
    for operation, request in create_requests().items():
        answer = sagemaker.call(HERE, operation, request)
        shape = service_model("sagemaker").operation_model(operation).output_shape
        assert list(missing_members(answer, shape)) == []


def test_the_tests_cover_every_operation() -> None:
    covered = create_requests().keys() | OTHER_REQUESTS.keys() | {"DeleteEndpoint"}
    assert covered == set(SageMaker(ResourceStore()).operations)


def test_a_component_is_described_with_its_model_and_copies() -> None:
    answer = a_served_model().call(
        HERE, "DescribeInferenceComponent", {"InferenceComponentName": NAME}
    )
    read = as_boto3_reads_it("DescribeInferenceComponent", answer)
    assert read["InferenceComponentStatus"] == "InService"
    assert read["Specification"]["ModelName"] == NAME
    assert read["Specification"]["Container"]["DeployedImage"]["ResolvedImage"] == IMAGE
    assert read["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 1}


def test_an_endpoint_without_copies_has_no_machine() -> None:
    sagemaker = a_served_model()
    sagemaker.call(
        HERE,
        "UpdateInferenceComponentRuntimeConfig",
        {"InferenceComponentName": NAME, "DesiredRuntimeConfig": {"CopyCount": 0}},
    )
    answer = sagemaker.call(HERE, "DescribeEndpoint", {"EndpointName": NAME})
    assert answer["ProductionVariants"][0]["CurrentInstanceCount"] == 0


def test_an_unknown_name_is_refused_with_its_arn() -> None:
    message = 'Could not find model "arn:aws:sagemaker:us-east-1:000000000000:model/nope".'
    with pytest.raises(RequestRefusedError) as refused:
        a_served_model().call(HERE, "DescribeModel", {"ModelName": "nope"})
    assert str(refused.value) == message


@pytest.mark.parametrize("operation", create_requests())
def test_a_second_resource_of_one_name_is_refused(operation: str) -> None:
    with pytest.raises(RequestRefusedError, match="Cannot create already existing"):
        a_served_model().call(HERE, operation, create_requests()[operation])


@pytest.mark.parametrize(
    ("operation", "change", "message"),
    [
        ("CreateModel", {"ModelName": "under_score"}, "satisfy regular expression pattern"),
        ("CreateModel", {"PrimaryContainer": None, "Containers": None}, "exactly one of"),
        ("CreateEndpointConfig", {"ProductionVariants": None}, "'productionVariants' failed"),
        ("CreateEndpoint", {"EndpointConfigName": "nope"}, "Could not find endpoint configuration"),
        ("CreateInferenceComponent", {"EndpointName": "nope"}, "Could not find endpoint"),
        ("CreateInferenceComponent", {"VariantName": "nope"}, "Could not find variant"),
        ("CreateInferenceComponent", {"RuntimeConfig": {"CopyCount": -1}}, "greater than or equal"),
    ],
)
def test_a_wrong_create_is_refused(operation: str, change: dict[str, Any], message: str) -> None:
    request = {**create_requests()[operation], f"{operation.removeprefix('Create')}Name": "new"}
    request |= change
    request = {name: value for name, value in request.items() if value is not None}
    with pytest.raises(RequestRefusedError, match=message):
        a_served_model().call(HERE, operation, request)


def test_a_component_needs_an_endpoint_that_takes_components() -> None:
    sagemaker = a_served_model()
    config = create_requests()["CreateEndpointConfig"]
    variant = {**config["ProductionVariants"][0], "ModelName": NAME}
    config |= {"EndpointConfigName": "plain", "ProductionVariants": [variant]}
    sagemaker.call(HERE, "CreateEndpointConfig", config)
    request = {"EndpointName": "plain", "EndpointConfigName": "plain"}
    sagemaker.call(HERE, "CreateEndpoint", request)
    component = create_requests()["CreateInferenceComponent"]
    component |= {"EndpointName": "plain", "InferenceComponentName": "new"}
    with pytest.raises(RequestRefusedError, match="Inference Components are not supported"):
        sagemaker.call(HERE, "CreateInferenceComponent", component)


def test_an_endpoint_goes_only_after_its_components() -> None:
    sagemaker = a_served_model()
    with pytest.raises(RequestRefusedError, match="while inference components run on it"):
        sagemaker.call(HERE, "DeleteEndpoint", {"EndpointName": NAME})
    sagemaker.call(HERE, "DeleteInferenceComponent", {"InferenceComponentName": NAME})
    sagemaker.call(HERE, "DeleteEndpoint", {"EndpointName": NAME})
    assert sagemaker.call(HERE, "ListEndpoints", {})["Endpoints"] == []


def test_tags_are_added_listed_and_deleted() -> None:
    sagemaker = a_served_model()
    added = {"ResourceArn": ARN, "Tags": [{"Key": "kit:stage", "Value": "local"}]}
    sagemaker.call(HERE, "AddTags", added)
    sagemaker.call(HERE, "DeleteTags", {"ResourceArn": ARN, "TagKeys": ["kit:model"]})
    tags = sagemaker.call(HERE, "ListTags", {"ResourceArn": ARN})["Tags"]
    assert tags == [{"Key": "kit:stage", "Value": "local"}]


def test_lists_come_in_pages() -> None:
    sagemaker = SageMaker(ResourceStore())
    model = create_requests()["CreateModel"]
    for number in range(5):
        sagemaker.call(HERE, "CreateModel", {**model, "ModelName": f"m{number}"})
    asked = {"MaxResults": 2, "SortBy": "Name", "SortOrder": "Ascending"}
    names: list[str] = []
    token: dict[str, str] = {}
    for _ in range(3):
        page = sagemaker.call(HERE, "ListModels", {**asked, **token})
        names += [row["ModelName"] for row in page["Models"]]
        token = {"NextToken": page.get("NextToken", "")}
    assert names == ["m0", "m1", "m2", "m3", "m4"]
    assert token == {"NextToken": ""}


def test_another_region_sees_nothing() -> None:
    elsewhere = Scope(HERE.account, "eu-west-1")
    assert a_served_model().call(elsewhere, "ListModels", {})["Models"] == []


def test_resources_outlive_the_process() -> None:
    before = a_served_model()
    after = ResourceStore()
    after.load(json.loads(json.dumps(before.store.dump())))
    for operation in ("DescribeModel", "DescribeEndpoint", "DescribeInferenceComponent"):
        request = OTHER_REQUESTS[operation]
        assert SageMaker(after).call(HERE, operation, request) == before.call(
            HERE, operation, request
        )
