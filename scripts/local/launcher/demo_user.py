"""The user that comes with the laptop cloud, so that a first call needs no sign-up."""

import secrets
from contextlib import suppress
from typing import Any

from scripts.local.launcher import aws
from scripts.local.launcher.layout import Layout

EMAIL = "demo@example.com"
GROUP = "user"


def ensure(layout: Layout, outputs: dict[str, str]) -> str:
    """Return a fresh ID token of the demo user, made first if the pool does not have it."""
    cognito = aws.client(outputs["endpoint_url"], "cognito-idp")
    try:
        return _token(cognito, outputs["cli_client_id"], password(layout))
    except (cognito.exceptions.UserNotFoundException, cognito.exceptions.NotAuthorizedException):
        _create(cognito, outputs["user_pool_id"], password(layout))
    return _token(cognito, outputs["cli_client_id"], password(layout))


def token(layout: Layout, outputs: dict[str, str]) -> str:
    """Sign the demo user in: an ID token, which is what the API's authorizer takes."""
    return _token(
        aws.client(outputs["endpoint_url"], "cognito-idp"),
        outputs["cli_client_id"],
        password(layout),
    )


def password(layout: Layout) -> str:
    """The demo user's password: random, made once, readable by its owner only."""
    path = layout.demo_password
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = f"{secrets.token_urlsafe(18)}-aA1"  # the end satisfies any password policy
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(made)
    return path.read_text()


def _token(cognito: Any, client_id: str, secret: str) -> str:
    reply = cognito.initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": EMAIL, "PASSWORD": secret},
    )
    return str(reply["AuthenticationResult"]["IdToken"])


def _create(cognito: Any, pool_id: str, secret: str) -> None:
    who = {"UserPoolId": pool_id, "Username": EMAIL}
    verified = [{"Name": "email", "Value": EMAIL}, {"Name": "email_verified", "Value": "true"}]
    with suppress(cognito.exceptions.UsernameExistsException):  # then only its password is wrong
        cognito.admin_create_user(**who, MessageAction="SUPPRESS", UserAttributes=verified)
    cognito.admin_set_user_password(**who, Password=secret, Permanent=True)
    cognito.admin_add_user_to_group(**who, GroupName=GROUP)
