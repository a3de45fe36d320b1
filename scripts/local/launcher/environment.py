"""Variables of the processes that the launcher starts: the developer's AWS account stays out."""

import os
from collections.abc import Mapping

from scripts.local.launcher.layout import ACCOUNT, REGION, Layout

_LOOPBACK = "localhost,127.0.0.1"


def without_aws(env: Mapping[str, str]) -> dict[str, str]:
    """Drop every AWS variable: a profile or a key of the developer must not reach the emulator."""
    return {name: value for name, value in env.items() if not name.startswith("AWS_")}


def of_service(env: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """Describe the environment of the emulator and the local SageMaker.

    `KIT_LOCAL_DIR` also marks their children as ours.
    """
    return without_aws(env) | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "KIT_LOCAL_DIR": str(layout.local_dir),
        "NO_PROXY": _LOOPBACK,
        "no_proxy": _LOOPBACK,
        "PATH": f"{layout.venv_bin}{os.pathsep}{env.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }


def of_cdk(env: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """Describe the environment of the stock CDK command line, pointed at the emulator."""
    return of_service(env, layout) | {
        "AWS_ENDPOINT_URL": layout.endpoint_url,
        "AWS_ENDPOINT_URL_S3": layout.endpoint_url,
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
        # The CLI remembers which account a key belongs to: not in the developer's own folder.
        "CDK_HOME": str(layout.local_dir / "cdk-home"),
        "CDK_VALIDATION": "false",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    }
