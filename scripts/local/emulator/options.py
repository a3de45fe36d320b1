"""What the emulator is started with, and the environment that ministack reads at its import."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# What a function may see of the host. AWS_* is left out on purpose: no real credential, profile
# or endpoint of the person at the keyboard may reach a function or the emulator.
HOST_VARIABLES = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SYSTEMROOT")
ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass(frozen=True)
class Options:
    """The command line of the emulator process."""

    port: int
    state_dir: Path
    function_python: Path
    sagemaker_runtime_url: str
    enforce_iam: bool = False
    snapshot_interval_s: float = 20.0

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def work_dir(self) -> Path:
        """Unpacked functions and their temporary files: emptied at every start."""
        return self.state_dir / "work"

    @property
    def snapshot_dir(self) -> Path:
        return self.state_dir / "snapshots"


def parse(argv: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="scripts.local.emulator", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument(
        "--function-python", type=Path, required=True, help="interpreter that runs the functions"
    )
    parser.add_argument("--sagemaker-runtime-url", required=True)
    parser.add_argument("--enforce-iam", action="store_true")
    parser.add_argument("--snapshot-interval-s", type=float, default=20.0)
    found = parser.parse_args(argv)
    python: Path = found.function_python
    if not os.access(python, os.X_OK):
        parser.error(f"--function-python {python} is not an executable file")
    return Options(
        port=found.port,
        state_dir=found.state_dir.resolve(),
        function_python=python.absolute(),  # not resolved: a venv is found by its own path
        sagemaker_runtime_url=found.sagemaker_runtime_url,
        enforce_iam=found.enforce_iam,
        snapshot_interval_s=found.snapshot_interval_s,
    )


def emulator_settings(options: Options) -> dict[str, str]:
    """Settings of ministack; it reads most of them at import, so they are set before."""
    return {
        "AUTH": "true" if options.enforce_iam else "false",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(options.port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "1",
        "S3_DATA_DIR": str(options.state_dir / "s3"),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(options.state_dir),
        "TMPDIR": str(options.work_dir / "tmp"),
    }


def process_environment(options: Options, host: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the emulator process."""
    kept = {name: host[name] for name in HOST_VARIABLES if name in host}
    return {**kept, "HOME": str(options.work_dir), **emulator_settings(options)}


def function_environment(options: Options) -> dict[str, str]:
    """What every function gets beside what its template and AWS itself set."""
    return {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": options.endpoint_url,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": options.sagemaker_runtime_url,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "HOME": str(options.work_dir),
        "TMPDIR": str(options.work_dir / "tmp"),
        "TZ": ":UTC",
    }
