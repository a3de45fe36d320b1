"""New code for the functions of the stage, without synthesis: one zip, handed to each of them."""

import io
import zipfile
from pathlib import Path

from scripts.local.launcher import aws, fingerprint
from scripts.local.launcher.layout import APP, STAGE, Layout

_SHIPPED = ("lambdas", "model_configs")


def update(layout: Layout) -> None:
    """Give every function that runs our code the code of the checkout."""
    client = aws.client(layout.endpoint_url, "lambda")
    code = zipped(layout.root)
    for page in client.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            if runs_our_code(function):
                client.update_function_code(FunctionName=function["FunctionName"], ZipFile=code)


def runs_our_code(function: dict[str, str]) -> bool:
    """Whether a function is one of `lambdas/`, not a helper that the CDK brought along."""
    ours = function["FunctionName"].startswith(f"{APP}-{STAGE}-")
    return ours and function.get("Handler", "").startswith("lambdas")


def zipped(root: Path) -> bytes:
    """Zip what the functions' asset holds, mode bits kept: `chat.sh` must stay executable."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _SHIPPED:
            for path in fingerprint.files_of(root / name):
                archive.write(path, path.relative_to(root))
    return buffer.getvalue()
