"""Routes, authorisation and what API Gateway answers itself."""

import json
from typing import Any

import pytest

from cdk.gateway_responses import GATEWAY_ERRORS
from tests.cdk.assembly import Assembly, resolved

ROUTES = {
    "GET /health",
    "POST /v1/chat/completions",
    "DELETE /v1/chat/completions/{completion_id}",
    "GET /v1/models",
    "GET /v1/models/{model_id}",
    "GET /v1/sessions",
    "GET /v1/sessions/{session_id}",
    "DELETE /v1/sessions/{session_id}",
}
ANSWERED_BY_THE_GATEWAY = {
    *("DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "EXPIRED_TOKEN", "ACCESS_DENIED", "THROTTLED"),
    *("QUOTA_EXCEEDED", "REQUEST_TOO_LARGE", "INTEGRATION_TIMEOUT"),
    "MISSING_AUTHENTICATION_TOKEN",
}


def routes(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Every method of the API by verb and path."""
    parents = dict(assembly.resources("ApiGateway::Resource"))

    def path(resource_id: Any) -> str:
        if "Ref" not in resource_id:
            return ""
        found = parents[resource_id["Ref"]]["Properties"]
        return f"{path(found['ParentId'])}/{found['PathPart']}"

    methods = assembly.properties("ApiGateway::Method")
    return {f"{m['HttpMethod']} {path(m['ResourceId'])}": m for m in methods}


def _gateway_responses(assembly: Assembly) -> dict[str, dict[str, Any]]:
    return {r["ResponseType"]: r for r in assembly.properties("ApiGateway::GatewayResponse")}


def _body(response: dict[str, Any]) -> dict[str, Any]:
    """The error object, after API Gateway has put its own message in, quotes included."""
    template = response["ResponseTemplates"]["application/json"]
    filled = template.replace("$context.error.messageString", '"its own words"')
    error: dict[str, Any] = json.loads(filled)["error"]
    return error


def test_the_routes_are_those_of_the_design_and_each_can_be_called_from_a_page(
    assembly: Assembly,
) -> None:
    found = routes(assembly)
    paths = {route.partition(" ")[2] for route in ROUTES} - {"/health"}
    assert set(found) == ROUTES | {f"OPTIONS {path}" for path in paths}


def test_every_route_but_health_and_preflight_asks_for_a_token_of_the_pool(
    assembly: Assembly,
) -> None:
    (authorizer_id, _), *others = assembly.resources("ApiGateway::Authorizer")
    assert not others
    for route, method in routes(assembly).items():
        if route == "GET /health" or route.startswith("OPTIONS "):
            assert (method["AuthorizationType"], method["Integration"]["Type"]) == ("NONE", "MOCK")
        else:
            assert method["AuthorizationType"] == "COGNITO_USER_POOLS"
            assert method["AuthorizerId"] == {"Ref": authorizer_id}
            assert "AuthorizationScopes" not in method  # with scopes, access tokens would pass


def test_the_authorizer_reads_the_pool_that_identity_left_in_a_parameter(
    assembly: Assembly,
) -> None:
    (authorizer,) = assembly.properties("ApiGateway::Authorizer")
    (reference,) = authorizer["ProviderARNs"]
    parameter = assembly.template("Api")["Parameters"][reference["Ref"]]
    assert parameter["Type"] == "AWS::SSM::Parameter::Value<String>"
    left = [p["Name"] for p in assembly.properties("SSM::Parameter", "Identity")]
    assert left == [parameter["Default"]]


def test_chat_streams_for_as_long_as_the_function_may_run(assembly: Assembly) -> None:
    integration = routes(assembly)["POST /v1/chat/completions"]["Integration"]
    assert integration["ResponseTransferMode"] == "STREAM"
    assert integration["TimeoutInMillis"] == 900_000
    functions = {f["FunctionName"]: f for f in assembly.properties("Lambda::Function")}
    assert functions[f"{assembly.config.prefix}-chat"]["Timeout"] == 900


def test_all_other_routes_are_buffered(assembly: Assembly) -> None:
    for route, method in routes(assembly).items():
        if route != "POST /v1/chat/completions":
            mode = method["Integration"].get("ResponseTransferMode", "BUFFERED")
            assert mode == "BUFFERED"


def test_the_api_is_regional_and_refuses_old_tls(assembly: Assembly) -> None:
    (api,) = assembly.properties("ApiGateway::RestApi")
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert api["SecurityPolicy"] == "TLS_1_2"


def test_the_stage_throttles_traces_and_logs_no_bodies(assembly: Assembly) -> None:
    (stage,) = assembly.properties("ApiGateway::Stage")
    (settings,) = stage["MethodSettings"]
    assert (settings["HttpMethod"], settings["ResourcePath"]) == ("*", "/*")
    assert settings["ThrottlingRateLimit"] == assembly.config.requests_per_s
    assert settings["ThrottlingBurstLimit"] == assembly.config.requests_burst
    assert settings["DataTraceEnabled"] is False
    assert stage["TracingEnabled"] is True


def test_the_access_log_is_one_json_object_a_call_with_request_and_caller(
    assembly: Assembly,
) -> None:
    (stage,) = assembly.properties("ApiGateway::Stage")
    line = json.loads(stage["AccessLogSetting"]["Format"])
    assert line["request_id"] == "$context.requestId"
    assert line["sub"] == "$context.authorizer.claims.sub"
    assert "Arn" in str(stage["AccessLogSetting"]["DestinationArn"])


def test_the_gateway_answers_every_kind_of_refusal_in_our_words(assembly: Assembly) -> None:
    assert set(_gateway_responses(assembly)) >= ANSWERED_BY_THE_GATEWAY


@pytest.mark.parametrize("kind", sorted(GATEWAY_ERRORS))
def test_a_refusal_has_the_shape_of_openai(local: Assembly, kind: str) -> None:
    response = _gateway_responses(local)[kind]
    error = _body(response)
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["param"] is None
    headers = response["ResponseParameters"]
    assert headers["gatewayresponse.header.x-request-id"] == "context.requestId"
    assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("UNAUTHORIZED", "401", "invalid_api_key"),
        ("EXPIRED_TOKEN", "401", "invalid_api_key"),
        ("MISSING_AUTHENTICATION_TOKEN", "404", "unknown_url"),
        ("INVALID_SIGNATURE", "404", "unknown_url"),
        ("ACCESS_DENIED", "403", "access_denied"),
        ("THROTTLED", "429", "rate_limit_exceeded"),
        ("REQUEST_TOO_LARGE", "413", "request_too_large"),
        ("INTEGRATION_TIMEOUT", "504", "timeout"),
    ],
)
def test_a_refusal_has_the_status_that_clients_expect(
    local: Assembly, kind: str, status: str, code: str
) -> None:
    response = _gateway_responses(local)[kind]
    assert (response["StatusCode"], _body(response)["code"]) == (status, code)


def test_a_throttled_caller_learns_when_to_come_back(local: Assembly) -> None:
    headers = _gateway_responses(local)["THROTTLED"]["ResponseParameters"]
    assert headers["gatewayresponse.header.retry-after"] == "'1'"


def test_preflight_lets_a_page_send_its_token_and_any_header(dev: Assembly) -> None:
    preflight = routes(dev)["OPTIONS /v1/chat/completions"]["Integration"]
    headers = preflight["IntegrationResponses"][0]["ResponseParameters"]
    assert headers["method.response.header.Access-Control-Allow-Headers"] == "'Authorization,*'"
    assert headers["method.response.header.Access-Control-Allow-Origin"] == "'*'"


def test_prod_has_a_firewall_that_counts_but_never_blocks_by_what_a_prompt_says(
    prod: Assembly,
) -> None:
    (acl,) = prod.properties("WAFv2::WebACL")
    groups = {
        rule["Name"]: rule["Statement"]["ManagedRuleGroupStatement"]
        for rule in acl["Rules"]
        if "ManagedRuleGroupStatement" in rule["Statement"]
    }
    assert "AWSManagedRulesCommonRuleSet" not in groups
    overrides = groups["AWSManagedRulesKnownBadInputsRuleSet"]["RuleActionOverrides"]
    assert {o["Name"] for o in overrides} == {"JavaDeserializationRCE_BODY", "Log4JRCE_BODY"}
    assert all(o["ActionToUse"] == {"Count": {}} for o in overrides)
    (link,) = prod.properties("WAFv2::WebACLAssociation")
    assert "/stages/" in str(resolved(link["ResourceArn"]))
