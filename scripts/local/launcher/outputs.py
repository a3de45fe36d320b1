"""What clients of the laptop cloud must know: the stacks' outputs as local addresses."""

import json
from typing import Any

from scripts.local.launcher import aws
from scripts.local.launcher.errors import LauncherError
from scripts.local.launcher.layout import APP, REGION, STAGE, Layout

_PARTS = ("Data", "Identity", "Api")


def write(layout: Layout) -> dict[str, str]:
    """Read the stacks' outputs from the emulator and keep them, mapped, in `outputs.json`."""
    cloudformation = aws.client(layout, "cloudformation")
    found: dict[str, str] = {}
    for part in _PARTS:
        stack = cloudformation.describe_stacks(StackName=f"{APP}-{STAGE}-{part}")["Stacks"][0]
        found |= {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", ())}
    outputs = mapped(layout, found)
    layout.outputs.write_text(json.dumps(outputs, indent=2) + "\n")
    return outputs


def mapped(layout: Layout, found: dict[str, str]) -> dict[str, str]:
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
