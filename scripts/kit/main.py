"""The command line `kit`: what it says, and with which code it ends, when something goes wrong."""

import click

from lambdas.core.errors import KitError
from scripts.kit import chat, deploy, local, login, models, openapi, users

INTERRUPTED = 130


class KitGroup(click.Group):
    """Turns our own errors into one line; any other error shows its trace."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KitError as error:
            click.secho(f"error: {error}", fg="red", err=True)
            for note in getattr(error, "__notes__", ()):
                click.echo(note, err=True)
            ctx.exit(1)
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(
    cls=KitGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="llm-app-kit", prog_name="kit")
def cli() -> None:
    """A complete LLM application: on this laptop, or on your own AWS account.

    Start with: kit local up
    """


for command in (
    local.local,
    chat.chat,
    login.login,
    models.models,
    users.users,
    openapi.openapi,
    deploy.synth,
    deploy.deploy,
    deploy.destroy,
):
    cli.add_command(command)


def main() -> None:
    cli(prog_name="kit")


if __name__ == "__main__":
    main()
