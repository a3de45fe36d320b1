"""`kit login`: signs a user in to a stage."""

import os
from typing import Any

import click

from scripts.kit.options import stage_option
from scripts.kit.say import say


@click.command()
@stage_option()
@click.option("--email", prompt=True, help="Asked for when not given.")
@click.password_option(confirmation_prompt=False, help="Asked for when not given.")
def login(stage: str, email: str, password: str) -> None:
    """Sign in, and keep the tokens for the commands that follow."""
    from scripts.kit import stages
    from scripts.kit.tokens import TokenCache, signed_in

    found = stages.load(stage)
    result = sign_in(stages.cognito(found), found.client_id, email, password)
    TokenCache.from_env(os.environ).put(found.user_pool_id, signed_in(email, result))
    say(f"signed in to {stage} as {email}. Next: kit chat --stage {stage}")


def sign_in(cognito: Any, client_id: str, email: str, password: str) -> dict[str, str]:
    """Return Cognito's tokens; a first sign-in asks for a new password.

    Raises:
        CommandError: wrong email or password, or a challenge that a terminal cannot answer.
    """
    from scripts.kit.errors import CommandError

    refused = cognito.exceptions
    try:
        reply = cognito.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
        if reply.get("ChallengeName") == "NEW_PASSWORD_REQUIRED":
            reply = _with_new_password(cognito, client_id, email, reply["Session"])
    except (refused.NotAuthorizedException, refused.UserNotFoundException) as error:
        raise CommandError("wrong email or password", next_step="kit login") from error
    except refused.InvalidPasswordException as error:
        raise CommandError(error.response["Error"]["Message"], next_step="kit login") from error
    if "AuthenticationResult" not in reply:
        challenge = reply.get("ChallengeName")
        raise CommandError(f"Cognito asks for {challenge}", next_step="sign in on the web page")
    result: dict[str, str] = reply["AuthenticationResult"]
    return result


def _with_new_password(cognito: Any, client_id: str, email: str, session: str) -> dict[str, Any]:
    chosen = click.prompt(
        "New password", hide_input=True, confirmation_prompt=True, err=True, type=str
    )
    reply: dict[str, Any] = cognito.respond_to_auth_challenge(
        ClientId=client_id,
        ChallengeName="NEW_PASSWORD_REQUIRED",
        Session=session,
        ChallengeResponses={"USERNAME": email, "NEW_PASSWORD": chosen},
    )
    return reply
