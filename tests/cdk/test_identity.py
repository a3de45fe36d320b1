"""Who may sign in, and how."""

from pathlib import Path
from typing import Any

from tests.cdk.assembly import Assembly, synthesise


def _client(assembly: Assembly, name: str) -> dict[str, Any]:
    clients = {c["ClientName"]: c for c in assembly.properties("Cognito::UserPoolClient")}
    found: dict[str, Any] = clients[f"{assembly.config.prefix}-{name}"]
    return found


def test_nobody_signs_up_alone_and_passwords_are_long(assembly: Assembly) -> None:
    (pool,) = assembly.properties("Cognito::UserPool")
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    policy = pool["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 12
    assert all(
        policy[f"Require{kind}"] for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols")
    )


def test_there_are_the_two_groups(assembly: Assembly) -> None:
    groups = {group["GroupName"] for group in assembly.properties("Cognito::UserPoolGroup")}
    assert groups == {"admin", "user"}


def test_clients_hold_no_secret_and_do_not_tell_who_exists(assembly: Assembly) -> None:
    for client in assembly.properties("Cognito::UserPoolClient"):
        assert client["GenerateSecret"] is False
        assert client["PreventUserExistenceErrors"] == "ENABLED"
        assert client["EnableTokenRevocation"] is True


def test_the_command_line_signs_in_with_a_password_or_srp(assembly: Assembly) -> None:
    client = _client(assembly, "cli")
    assert set(client["ExplicitAuthFlows"]) == {
        "ALLOW_USER_SRP_AUTH",
        "ALLOW_USER_PASSWORD_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH",
    }
    assert client["AllowedOAuthFlowsUserPoolClient"] is False


def test_the_page_signs_in_with_a_code_only(dev: Assembly) -> None:
    client = _client(dev, "web")
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["CallbackURLs"] == ["http://localhost:8080/"]
    assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
    assert len(dev.properties("Cognito::UserPoolDomain")) == 1


def test_without_a_page_there_is_no_code_grant_and_no_domain(prod: Assembly) -> None:
    assert prod.config.web_callback_urls == ()
    assert _client(prod, "web")["AllowedOAuthFlowsUserPoolClient"] is False
    assert prod.properties("Cognito::UserPoolDomain") == []


def test_a_page_in_prod_gets_its_code_grant(tmp_path: Path, layers: Path) -> None:
    address = "https://chat.example.com/"
    made = synthesise(tmp_path, layers, stage="prod", web_callback_urls=address)
    assert _client(made, "web")["CallbackURLs"] == [address]


def test_prod_demands_a_second_factor_and_enforces_threat_protection(prod: Assembly) -> None:
    (pool,) = prod.properties("Cognito::UserPool")
    assert pool["MfaConfiguration"] == "ON"
    assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
    assert pool["UserPoolTier"] == "PLUS"
    assert pool["UserPoolAddOns"]["AdvancedSecurityMode"] == "ENFORCED"


def test_users_of_an_aws_stage_cannot_be_deleted_by_mistake(aws_assembly: Assembly) -> None:
    (pool,) = aws_assembly.properties("Cognito::UserPool")
    assert pool["DeletionProtection"] == "ACTIVE"
