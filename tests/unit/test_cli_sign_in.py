import base64
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from lambdas.core.errors import KitError
from scripts.kit import tokens, users
from scripts.kit.errors import CommandError
from scripts.kit.login import sign_in
from scripts.kit.stages import Stage, in_aws
from scripts.kit.tokens import TokenCache, Tokens

NOW = 1_000_000.0
DEV = Stage("dev", "https://api/v1", "eu-west-1", "pool", "client")


class RefusedError(Exception):
    response: ClassVar = {"Error": {"Message": "Password too short"}}


class Exceptions:
    NotAuthorizedException = type("NotAuthorizedException", (RefusedError,), {})
    UserNotFoundException = type("UserNotFoundException", (RefusedError,), {})
    InvalidPasswordException = type("InvalidPasswordException", (RefusedError,), {})
    UsernameExistsException = type("UsernameExistsException", (RefusedError,), {})


class FakeCognito:
    """Answers with what it was given; an exception is raised."""

    exceptions = Exceptions

    def __init__(self, *replies: object) -> None:
        self._replies = list(replies)
        self.calls: list[dict[str, Any]] = []

    def initiate_auth(self, **call: object) -> object:
        self.calls.append(call)
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    respond_to_auth_challenge = initiate_auth
    admin_create_user = initiate_auth


def a_token(expires_in_s: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": NOW + expires_in_s}).encode())
    return f"head.{claims.decode().rstrip('=')}.signature"


def a_result(token: str, **more: str) -> dict[str, object]:
    return {"AuthenticationResult": {"IdToken": token, **more}}


def token_of(cache: TokenCache, cognito: FakeCognito) -> str:
    return tokens.id_token(DEV, cache, cognito=cognito, now=lambda: NOW)


@pytest.fixture
def cache(tmp_path: Path) -> TokenCache:
    return TokenCache.from_env({"KIT_CONFIG_DIR": str(tmp_path / "config")})


def test_a_valid_token_is_used_without_a_call(cache: TokenCache) -> None:
    cache.put("pool", Tokens("ana@example.com", a_token(600), "refresh"))
    assert token_of(cache, FakeCognito()) == a_token(600)


def test_a_token_about_to_expire_is_renewed_and_kept(cache: TokenCache) -> None:
    cache.put("pool", Tokens("ana@example.com", a_token(30), "refresh"))
    cognito = FakeCognito(a_result(a_token(3600)))
    assert token_of(cache, cognito) == a_token(3600)
    assert cognito.calls[0]["AuthParameters"] == {"REFRESH_TOKEN": "refresh"}
    assert cache.get("pool") == Tokens("ana@example.com", a_token(3600), "refresh")


def test_a_refused_renewal_names_the_sign_in(cache: TokenCache) -> None:
    cache.put("pool", Tokens("ana@example.com", a_token(-1), "refresh"))
    cognito = FakeCognito(Exceptions.NotAuthorizedException())
    with pytest.raises(CommandError, match=r"ana@example\.com has expired.*kit login --stage dev"):
        token_of(cache, cognito)


def test_without_a_sign_in_the_next_step_is_named(cache: TokenCache) -> None:
    with pytest.raises(CommandError, match=r"nobody is signed in.*kit login --stage dev"):
        token_of(cache, FakeCognito())


def test_tokens_are_readable_by_their_owner_only(cache: TokenCache, tmp_path: Path) -> None:
    cache.put("pool", Tokens("ana@example.com", a_token(1), "refresh"))
    cache.put("other", Tokens("bob@example.com", a_token(1), "refresh"))
    [file] = (tmp_path / "config").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    kept = cache.get("pool")
    assert kept is not None
    assert kept.email == "ana@example.com"


def test_a_first_sign_in_asks_for_a_new_password() -> None:
    challenge = {"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s"}
    cognito = FakeCognito(challenge, a_result("id", RefreshToken="r"))
    with CliRunner().isolation(input="better-1\nbetter-1\n"):
        result = sign_in(cognito, "client", "ana@example.com", "temporary")
    assert result["IdToken"] == "id"
    assert cognito.calls[1]["ChallengeResponses"] == {
        "USERNAME": "ana@example.com",
        "NEW_PASSWORD": "better-1",
    }


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Exceptions.NotAuthorizedException(), "wrong email or password"),
        (Exceptions.UserNotFoundException(), "wrong email or password"),
        (Exceptions.InvalidPasswordException(), "Password too short"),
        ({"ChallengeName": "SOFTWARE_TOKEN_MFA"}, "asks for SOFTWARE_TOKEN_MFA"),
    ],
)
def test_a_refused_sign_in_is_one_line(reply: object, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        sign_in(FakeCognito(reply), "client", "ana@example.com", "wrong")


def test_in_aws_cognito_mails_the_invitation_and_locally_it_does_not() -> None:
    cognito = FakeCognito({}, {})
    assert users.create(cognito, "pool", "ana@example.com", temporary_password=None)
    assert users.create(cognito, "pool", "ana@example.com", temporary_password="tmp")
    in_aws, local = cognito.calls
    assert in_aws["DesiredDeliveryMediums"] == ["EMAIL"]
    assert (local["MessageAction"], local["TemporaryPassword"]) == ("SUPPRESS", "tmp")


def test_a_user_who_exists_is_not_an_error() -> None:
    cognito = FakeCognito(Exceptions.UsernameExistsException())
    assert not users.create(cognito, "pool", "ana@example.com", temporary_password=None)


class FakeCloudFormation:
    class meta:  # noqa: N801 boto3's own name
        region_name = "eu-west-1"

    def describe_stacks(self, StackName: str) -> dict[str, object]:  # noqa: N803
        outputs = {
            "kit-dev-Identity": {"UserPoolId": "pool", "CliClientId": "client"},
            "kit-dev-Api": {"ApiUrl": "https://x.execute-api.eu-west-1.amazonaws.com/dev/"},
        }[StackName]
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        return {"Stacks": [{"StackName": StackName, "Outputs": listed}]}


def test_a_stage_in_aws_is_found_by_the_outputs_of_its_stacks() -> None:
    stage = in_aws("dev", FakeCloudFormation())
    assert stage.base_url == "https://x.execute-api.eu-west-1.amazonaws.com/dev/v1"
    assert (stage.user_pool_id, stage.client_id, stage.is_local) == ("pool", "client", False)


def test_errors_of_the_command_line_are_of_the_tree() -> None:
    assert issubclass(CommandError, KitError)
