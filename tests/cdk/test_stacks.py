"""What holds for every stack of every stage."""

import pytest

from tests.cdk.assembly import Assembly, resolved

CONTRACT = {
    "Data": {"TableName", "TextBucketName"},
    "Identity": {"UserPoolId", "CliClientId", "WebClientId"},
    "Api": {"ApiId", "ApiStageName", "ApiUrl"},
}
# A new kind of resource makes a test fail until someone has looked at what it costs while idle.
FREE_WHILE_IDLE = {
    *("ApiGateway::Account", "ApiGateway::Authorizer", "ApiGateway::Deployment"),
    *("ApiGateway::GatewayResponse", "ApiGateway::Method", "ApiGateway::Resource"),
    *("ApiGateway::RestApi", "ApiGateway::Stage"),
    *("Cognito::UserPool", "Cognito::UserPoolClient", "Cognito::UserPoolDomain"),
    *("Cognito::UserPoolGroup", "IAM::Policy", "IAM::Role", "Lambda::Function"),
    *("Lambda::LayerVersion", "Lambda::Permission", "SSM::Parameter"),
}
# Paid by what is stored, and an idle stage stores next to nothing.
PAID_BY_SIZE = {"DynamoDB::Table", "Logs::LogGroup", "S3::Bucket", "S3::BucketPolicy"}


def test_outputs_are_those_that_the_command_line_reads(assembly: Assembly) -> None:
    for part, outputs in CONTRACT.items():
        assert set(assembly.template(part)["Outputs"]) == outputs


def test_stacks_export_nothing_so_that_each_can_go_alone(assembly: Assembly) -> None:
    for part in assembly.parts:
        template = assembly.template(part)
        assert "Fn::ImportValue" not in str(template)
        assert not [out for out in template.get("Outputs", {}).values() if "Export" in out]


def test_no_stack_has_a_custom_resource(assembly: Assembly) -> None:
    kinds = {resource["Type"] for _, resource in assembly.resources()}
    for part in assembly.parts:
        assert all(
            resource["Type"].startswith("AWS::")
            for resource in assembly.template(part)["Resources"].values()
        )
    assert "AWS::CloudFormation::CustomResource" not in kinds


def test_the_core_stays_under_120_resources(assembly: Assembly) -> None:
    core = [1 for part in CONTRACT for _ in assembly.resources(part=part)]
    assert len(core) < 120


def test_templates_hold_no_account_and_no_region(assembly: Assembly) -> None:
    for part in assembly.parts:
        text = (assembly.folder / f"{assembly.config.prefix}-{part}.template.json").read_text()
        assert "us-east-1" not in text
        assert "eu-central-1" not in text


def test_taggable_resources_name_app_and_stage(assembly: Assembly) -> None:
    for kind in ("DynamoDB::Table", "Lambda::Function", "S3::Bucket", "IAM::Role"):
        for found in assembly.properties(kind):
            tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
            assert (tags["kit:app"], tags["kit:stage"]) == ("kit", assembly.config.stage)


def test_every_log_group_has_an_end(assembly: Assembly) -> None:
    groups = assembly.properties("Logs::LogGroup")
    assert {group["RetentionInDays"] for group in groups} == {assembly.config.log_retention_days}


def test_every_function_and_the_api_log_into_a_group_of_the_stack(assembly: Assembly) -> None:
    named = {resolved(g["LogGroupName"]) for g in assembly.properties("Logs::LogGroup", "Api")}
    prefix = assembly.config.prefix
    functions = {f"/aws/lambda/{prefix}-{name}" for name in ("chat", "models", "sessions")}
    assert functions | {f"/aws/apigateway/{prefix}"} <= named
    assert any(name.startswith("API-Gateway-Execution-Logs_") for name in named)


def test_a_default_aws_stage_holds_only_what_costs_nothing_while_idle(dev: Assembly) -> None:
    kinds = {resource["Type"].removeprefix("AWS::") for _, resource in dev.resources()}
    assert kinds - FREE_WHILE_IDLE - PAID_BY_SIZE == set()
    assert dev.parts == ["Api", "Data", "Identity"]
    (table,) = dev.properties("DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_prod_encrypts_data_and_logs_with_its_own_key(prod: Assembly) -> None:
    (key,) = prod.properties("KMS::Key")
    assert key["EnableKeyRotation"] is True
    (table,) = prod.properties("DynamoDB::Table")
    assert table["SSESpecification"]["SSEType"] == "KMS"
    assert all("KmsKeyId" in group for group in prod.properties("Logs::LogGroup"))


@pytest.mark.parametrize("part", ["Data", "Identity"])
def test_aws_stages_keep_data_and_accounts_when_a_stack_goes(
    aws_assembly: Assembly, part: str
) -> None:
    kept = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Cognito::UserPool", "AWS::KMS::Key"}
    for _, resource in aws_assembly.resources(part=part):
        if resource["Type"] in kept:
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (
                "Retain",
                "Retain",
            )


def test_the_laptop_cloud_keeps_nothing(local: Assembly) -> None:
    policies = {r.get("DeletionPolicy", "Delete") for _, r in local.resources()}
    assert policies == {"Delete"}
