"""`kit users`: who may use a stage."""

import json
import secrets
from typing import Any

import click

from scripts.kit.options import json_option, stage_option
from scripts.kit.say import say


@click.group()
def users() -> None:
    """Manage the users of a stage."""


@users.command("add")
@click.argument("email")
@click.option("--admin", is_flag=True, help="Put the user into the group admin as well.")
@stage_option()
@json_option
def add_user(email: str, admin: bool, stage: str, as_json: bool) -> None:
    """Invite EMAIL. In AWS, Cognito mails a temporary password; locally it is printed."""
    from scripts.kit import stages

    if "@" not in email:
        raise click.BadParameter(f"{email!r} is not an email address", param_hint="EMAIL")
    found = stages.load(stage)
    cognito = stages.cognito(found)
    password = f"{secrets.token_urlsafe(9)}-aA1" if found.is_local else None
    added = create(cognito, found.user_pool_id, email, temporary_password=password)
    groups = ["user", "admin"] if admin else ["user"]
    for group in groups:
        cognito.admin_add_user_to_group(
            UserPoolId=found.user_pool_id, Username=email, GroupName=group
        )
    report = {"email": email, "groups": groups, "created": added}
    if added and password:
        report["temporary_password"] = password
    _print(report, as_json=as_json)
    say(f"Next: kit login --stage {stage} --email {email}")


def create(cognito: Any, pool_id: str, email: str, *, temporary_password: str | None) -> bool:
    """Create the user; False if there is one with this email already.

    With a temporary password no mail is sent.
    """
    silent = {"MessageAction": "SUPPRESS", "TemporaryPassword": temporary_password}
    how = silent if temporary_password else {"DesiredDeliveryMediums": ["EMAIL"]}
    try:
        cognito.admin_create_user(
            UserPoolId=pool_id,
            Username=email,
            UserAttributes=[
                {"Name": "email", "Value": email},
                {"Name": "email_verified", "Value": "true"},
            ],
            **how,
        )
    except cognito.exceptions.UsernameExistsException:
        return False
    return True


def _print(report: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report))
        return
    say(f"{report['email']}: {'added' if report['created'] else 'was there already'}")
    if "temporary_password" in report:
        click.echo(f"temporary password: {report['temporary_password']}")
