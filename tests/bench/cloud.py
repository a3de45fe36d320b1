"""What the benchmarks add to the laptop cloud of the tests: a model server of its own process."""

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

from tests.bench.figures import RESULTS, ROOT
from tests.e2e.cloud import Cloud
from tests.emulated import free_port


@contextlib.contextmanager
def bench_cloud(model_url: str) -> Iterator[Cloud]:
    """Up for the session; its folder is kept, so that the next run need not deploy again."""
    up = Cloud(RESULTS / "cloud", port=free_port(), sagemaker_port=free_port())
    try:
        up.up(model_url=f"{model_url}/v1")
        yield up
    finally:
        up.down()


@contextlib.contextmanager
def model_server() -> Iterator[str]:
    """The scripted model in a process of its own: it shares no interpreter with the client."""
    port = free_port()
    command = [sys.executable, "-m", "tests.scripted_model", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_until_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url):  # noqa: S310 loopback
            return
    raise AssertionError(f"the server of {url} ended before it was healthy")


def chat_variables(cloud: Cloud) -> dict[str, str]:
    """What the template and the laptop cloud give the chat function."""
    found = cloud.client("lambda").get_function_configuration(FunctionName="kit-local-chat")
    variables: dict[str, str] = found["Environment"]["Variables"]
    return {
        **variables,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": cloud.outputs["endpoint_url"],
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": cloud.outputs["sagemaker_runtime_url"],
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
