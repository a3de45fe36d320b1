"""What clients of the laptop cloud must know: the stacks' outputs as local addresses."""

import json
from typing import Any

from lambdas.core.catalogue import load_catalogue
from scripts.local.launcher import aws
from scripts.local.launcher.errors import LauncherError
from scripts.local.launcher.layout import APP, REGION, STAGE, Layout

_MODEL = f"{APP}-{STAGE}-Model-"
_PARTS = ("Data", "Identity", "Api")


def write(layout: Layout) -> dict[str, str]:
    """Read the stacks' outputs from the emulator and keep them, mapped, in `outputs.json`."""
    cloudformation = aws.client(layout.endpoint_url, "cloudformation")
    found: dict[str, str] = {}
    for part in _PARTS:
        stack = cloudformation.describe_stacks(StackName=f"{APP}-{STAGE}-{part}")["Stacks"][0]
        found |= {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", ())}
    outputs = mapped(layout, found, model=first_model(cloudformation))
    layout.outputs.write_text(json.dumps(outputs, indent=2) + "\n")
    return outputs


def first_model(cloudformation: Any) -> str:
    """The first model of the catalogue that is up; empty when none is."""
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    stacks = {stack["StackName"] for page in pages for stack in page["Stacks"]}
    up = (e.id for e in load_catalogue().values() if f"{_MODEL}{e.resource_name}" in stacks)
    return next(up, "")


def mapped(layout: Layout, found: dict[str, str], *, model: str) -> dict[str, str]:
    """Name the API by an address of this machine.

    The host must be `localhost`: the emulator recognises itself by that name only.
    """
    api, stage = found["ApiId"], found["ApiStageName"]
    return {
        "stage": STAGE,
        "region": REGION,
        "base_url": f"http://localhost:{layout.port}/_aws/execute-api/{api}/{stage}/v1",
        "endpoint_url": layout.endpoint_url,
        "sagemaker_runtime_url": layout.sagemaker_url,
        "user_pool_id": found["UserPoolId"],
        "cli_client_id": found["CliClientId"],
        "web_client_id": found["WebClientId"],
        "table_name": found["TableName"],
        "text_bucket_name": found["TextBucketName"],
        "model": model,
    }


def read(layout: Layout) -> dict[str, str]:
    """Read what `write` kept.

    Raises:
        LauncherError: the laptop cloud was never up.
    """
    if not layout.outputs.exists():
        raise LauncherError("the laptop cloud is not deployed", next_step="kit local up")
    outputs: Any = json.loads(layout.outputs.read_text())
    return {str(name): str(value) for name, value in outputs.items()}
