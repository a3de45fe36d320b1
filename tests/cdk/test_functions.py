"""Functions: their handlers are there, start, and find the settings that the stack wrote."""

import importlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from cdk.functions import ADAPTER_ENV
from cdk.layers import ROOT
from lambdas.core.settings import Settings
from tests.cdk.assembly import Assembly, resolved

START_LIMIT_S = 60


def _functions(assembly: Assembly) -> dict[str, dict[str, Any]]:
    start = len(assembly.config.prefix) + 1
    found = assembly.properties("Lambda::Function")
    return {made["FunctionName"][start:]: resolved(made) for made in found}


def _env(function: dict[str, Any]) -> dict[str, str]:
    env: dict[str, str] = function["Environment"]["Variables"]
    return env


def _staged_code(assembly: Assembly, function: dict[str, Any]) -> Path:
    return assembly.asset("Api", function["Code"]["S3Key"])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def function_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has what Lambda puts beside a function, and nothing of ours."""
    venv = tmp_path_factory.mktemp("runtime") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(venv)], check=True)
    lock = ROOT / "locks" / "function-runtime.txt"
    install = ["pip", "install", "-q", "--python", str(venv / "bin" / "python3"), "-r", str(lock)]
    subprocess.run([*uv, *install], check=True)
    return venv / "bin" / "python3"


def test_every_handler_named_in_a_template_is_there(assembly: Assembly) -> None:
    for function in _functions(assembly).values():
        handler = function["Handler"]
        if handler.endswith(".sh"):
            assert os.access(_staged_code(assembly, function) / handler, os.X_OK)
        else:
            module, _, name = handler.rpartition(".")
            assert callable(getattr(importlib.import_module(module), name))


def test_settings_reach_every_function_as_the_code_reads_them(assembly: Assembly) -> None:
    config = assembly.config
    expected = Settings(
        app="kit",
        stage=config.stage,
        table_name=f"kit-{config.stage}",
        text_bucket_name=f"kit-{config.stage}-text-111122223333-eu-central-1",
        models=config.models,
        tokens_per_day=config.tokens_per_day,
        concurrent_streams=config.concurrent_streams,
        completion_ttl_days=config.completion_ttl_days,
    )
    functions = _functions(assembly)
    assert set(functions) == {"chat", "models", "sessions"}
    for function in functions.values():
        assert Settings.from_env(_env(function)) == expected


def test_settings_name_the_table_and_the_bucket_that_data_makes(assembly: Assembly) -> None:
    (table,) = assembly.properties("DynamoDB::Table", "Data")
    (bucket,) = assembly.properties("S3::Bucket", "Data")
    settings = Settings.from_env(_env(_functions(assembly)["chat"]))
    assert settings.table_name == table["TableName"]
    assert settings.text_bucket_name == resolved(bucket["BucketName"])


def test_aws_stages_run_on_the_newest_python_and_arm(aws_assembly: Assembly) -> None:
    for function in _functions(aws_assembly).values():
        assert (function["Runtime"], function["Architectures"]) == ("python3.14", ["arm64"])


def test_the_laptop_cloud_runs_on_this_interpreter(local: Assembly) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert {f["Runtime"] for f in _functions(local).values()} == {version}


def test_only_chat_goes_through_the_web_adapter(assembly: Assembly) -> None:
    adapters = {
        name: [layer for layer in function["Layers"] if "LambdaAdapterLayer" in str(layer)]
        for name, function in _functions(assembly).items()
    }
    kind = {"arm64": "Arm64", "x86_64": "X86"}[assembly.config.architecture]
    adapter = f"arn:aws:lambda:eu-central-1:753240598075:layer:LambdaAdapterLayer{kind}:27"
    assert adapters == {"chat": [adapter], "models": [], "sessions": []}
    env = _env(_functions(assembly)["chat"])
    assert ADAPTER_ENV.items() <= env.items()
    assert env["AWS_LWA_INVOKE_MODE"] == "response_stream"


@pytest.fixture
def chat_process(local: Assembly, function_python: Path) -> Iterator[tuple[Any, str]]:
    """The chat function as Lambda starts it: staged code, built layer, the template's variables."""
    function = _functions(local)["chat"]
    (layer,) = local.properties("Lambda::LayerVersion")
    task_root, port = _staged_code(local, function), _free_port()
    process = subprocess.Popen(
        [task_root / function["Handler"]],
        cwd=task_root,
        env={
            **_env(function),
            "PATH": f"{function_python.parent}:/usr/bin:/bin",
            "LAMBDA_TASK_ROOT": str(task_root),
            "KIT_LAYER_ROOT": str(local.asset("Api", layer["Content"]["S3Key"])),
            "AWS_LWA_PORT": str(port),
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    yield process, f"http://127.0.0.1:{port}{_env(function)['AWS_LWA_READINESS_CHECK_PATH']}"
    process.kill()
    process.communicate()


def test_the_chat_script_starts_from_the_asset_and_the_layer_alone(
    chat_process: tuple[Any, str],
) -> None:
    process, ready_url = chat_process
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read().decode()
        try:
            with urllib.request.urlopen(ready_url, timeout=5) as reply:  # noqa: S310 our own URL
                assert reply.status == HTTPStatus.OK
                return
        except urllib.error.URLError:
            time.sleep(0.05)
    pytest.fail(f"not ready after {START_LIMIT_S} s")


def test_buffered_functions_import_from_the_asset_and_the_layer_alone(
    local: Assembly, function_python: Path
) -> None:
    (layer,) = local.properties("Lambda::LayerVersion")
    packages = local.asset("Api", layer["Content"]["S3Key"]) / "python"
    for name in ("models", "sessions"):
        function = _functions(local)[name]
        root = _staged_code(local, function)
        module, _, handler = function["Handler"].rpartition(".")
        done = subprocess.run(
            [function_python, "-B", "-c", f"from {module} import {handler}"],
            env={**_env(function), "PYTHONPATH": f"{root}:{packages}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
