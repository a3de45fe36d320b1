"""Clients of the emulator's AWS API."""

from typing import TYPE_CHECKING, Any

from scripts.local.launcher.layout import REGION

if TYPE_CHECKING:
    from botocore.config import Config


def client(endpoint_url: str, service: str) -> Any:
    """Make a boto3 client that reaches the emulator and nothing else, proxies included."""
    import boto3

    session = boto3.session.Session(
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 the emulator knows no secret
        region_name=REGION,
    )
    make: Any = session.client
    return make(service, endpoint_url=endpoint_url, config=_direct())


def _direct() -> "Config":
    from botocore.config import Config

    return Config(
        proxies={},
        retries={"total_max_attempts": 2, "mode": "standard"},
        connect_timeout=5,
        read_timeout=60,
    )
