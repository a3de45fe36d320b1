"""Least privilege: what each role may do, and nothing more."""

from typing import Any

import pytest

from tests.cdk.assembly import Assembly, resolved, statements

ACCOUNT = "eu-central-1:111122223333"
# Actions that know no resource, or whose resource `*` is the key that the policy belongs to.
WITHOUT_RESOURCE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ecr:GetAuthorizationToken",
    "cloudwatch:PutMetricData",
}


def _role_of(assembly: Assembly, function: str) -> str:
    for made in assembly.properties("Lambda::Function"):
        if made["FunctionName"] == f"{assembly.config.prefix}-{function}":
            role_id: str = made["Role"]["Fn::GetAtt"][0]
            return role_id
    raise AssertionError(function)


def _granted(assembly: Assembly, function: str) -> dict[str, list[Any]]:
    """Action to resources of one function's role."""
    role = {"Ref": _role_of(assembly, function)}
    policies = [p for p in assembly.properties("IAM::Policy", "Api") if role in p["Roles"]]
    found = [s for policy in policies for s in statements(policy["PolicyDocument"])]
    return {action: s["Resource"] for s in found for action in s["Action"]}


def _services(granted: dict[str, list[Any]]) -> set[str]:
    return {action.partition(":")[0] for action in granted}


def test_no_action_is_a_wildcard(assembly: Assembly) -> None:
    for policy in assembly.properties("IAM::Policy"):
        for statement in statements(policy["PolicyDocument"]):
            assert not [action for action in statement["Action"] if "*" in action]


def test_only_actions_without_resources_are_allowed_on_all(assembly: Assembly) -> None:
    for policy in assembly.properties("IAM::Policy"):
        for statement in statements(policy["PolicyDocument"]):
            if "*" in statement["Resource"]:
                assert set(statement["Action"]) <= WITHOUT_RESOURCE


def test_metrics_of_a_model_go_into_sagemakers_namespace_only(prod: Assembly) -> None:
    found = [
        statement["Condition"]
        for policy in prod.properties("IAM::Policy")
        for statement in statements(policy["PolicyDocument"])
        if "cloudwatch:PutMetricData" in statement["Action"]
    ]
    assert len(found) == 3
    wanted = {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}
    assert all(condition == wanted for condition in found)


@pytest.mark.parametrize("function", ["chat", "models", "sessions"])
def test_a_function_writes_into_its_own_log_group_only(assembly: Assembly, function: str) -> None:
    granted = _granted(assembly, function)
    (resource,) = granted["logs:PutLogEvents"]
    groups = dict(assembly.resources("Logs::LogGroup", "Api"))
    name = groups[resource["Fn::GetAtt"][0]]["Properties"]["LogGroupName"]
    assert name == f"/aws/lambda/{assembly.config.prefix}-{function}"
    assert "logs:CreateLogGroup" not in granted


def test_each_function_has_a_role_of_its_own(assembly: Assembly) -> None:
    roles = {_role_of(assembly, name) for name in ("chat", "models", "sessions")}
    assert len(roles) == 3


def test_models_reaches_no_data_at_all(assembly: Assembly) -> None:
    assert _services(_granted(assembly, "models")) == {"logs", "xray"}


def test_sessions_reaches_the_table_and_long_texts_but_no_model(dev: Assembly) -> None:
    granted = _granted(dev, "sessions")
    assert _services(granted) == {"logs", "xray", "dynamodb", "s3"}
    assert granted["s3:DeleteObject"] == [
        "arn:aws:s3:::kit-dev-text-111122223333-eu-central-1/turns/*"
    ]
    assert granted["dynamodb:DeleteItem"] == [f"arn:aws:dynamodb:{ACCOUNT}:table/kit-dev"]


def test_sessions_lists_the_texts_of_sessions_and_nothing_else(dev: Assembly) -> None:
    role = {"Ref": _role_of(dev, "sessions")}
    found = [
        statement
        for policy in dev.properties("IAM::Policy", "Api")
        for statement in statements(policy["PolicyDocument"])
        if "s3:ListBucket" in statement["Action"] and role in policy["Roles"]
    ]
    (listing,) = found
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "turns/kept/*"}}
    assert "s3:ListBucket" not in _granted(dev, "chat")


def test_chat_invokes_the_listed_models_and_no_other(local: Assembly) -> None:
    name = "kit-local-smollm2-135m-instruct"
    assert sorted(_granted(local, "chat")["sagemaker:InvokeEndpoint"]) == [
        f"arn:aws:sagemaker:{ACCOUNT}:endpoint/{name}",
        f"arn:aws:sagemaker:{ACCOUNT}:inference-component/{name}",
    ]


def test_chat_without_models_may_invoke_nothing(dev: Assembly) -> None:
    assert "sagemaker" not in _services(_granted(dev, "chat"))


def test_chat_cannot_scan_or_reach_beyond_its_prefix(assembly: Assembly) -> None:
    granted = _granted(assembly, "chat")
    assert "dynamodb:Scan" not in granted
    (texts,) = granted["s3:PutObject"]
    assert texts.endswith("/turns/*")


def test_a_stage_with_its_own_key_lets_functions_use_it_through_data_services_only(
    prod: Assembly,
) -> None:
    for function in ("chat", "sessions"):
        role = {"Ref": _role_of(prod, function)}
        found = [
            statement
            for policy in prod.properties("IAM::Policy", "Api")
            if role in policy["Roles"]
            for statement in statements(policy["PolicyDocument"])
            if "kms:Decrypt" in statement["Action"]
        ]
        (use,) = found
        assert resolved(use["Condition"])["StringEquals"]["kms:ViaService"] == [
            "dynamodb.eu-central-1.amazonaws.com",
            "s3.eu-central-1.amazonaws.com",
        ]
        assert use["Resource"] != ["*"]
