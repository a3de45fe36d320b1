"""An error of the command line: one line, and the next command to try."""

from lambdas.core.errors import KitError


class CommandError(KitError):
    code = "command"

    def __init__(self, message: str, *, next_step: str) -> None:
        super().__init__(f"{message}. Next: {next_step}")
