"""What the launcher says when it cannot go on: one line, then the next command to try."""

from lambdas.core.errors import KitError


class LauncherError(KitError):
    code = "laptop_cloud"

    def __init__(self, message: str, *, next_step: str) -> None:
        super().__init__(f"{message}. Next: {next_step}")
