"""The real small model behind the runtime: structure only, and killed at bad moments."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import EventStreamError
from starlette.applications import Starlette

from scripts.local.sagemaker.__main__ import app, arguments
from tests.contracts.test_sagemaker_runtime import MODEL, OWN_MODEL, chat, parts_of, runtime_client
from tests.fake_sagemaker import FakeSageMaker
from tests.serving import serving

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

pytestmark = pytest.mark.xdist_group("local-model")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def control_plane_url() -> Iterator[str]:
    fake = FakeSageMaker()
    fake.add_endpoint(OWN_MODEL, MODEL)
    with serving(fake.app()) as url:
        yield url


@pytest.fixture(scope="module")
def application(control_plane_url: str, tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    state = tmp_path_factory.mktemp("local") / "state"
    options = ["--port", "0", "--control-plane-url", control_plane_url, "--state-dir", str(state)]
    return app(arguments(options, {}), {})


@pytest.fixture(scope="module")
def client(application: Starlette) -> Iterator["SageMakerRuntimeClient"]:
    with serving(application) as url, runtime_client(url) as made:
        yield made


def kill_model(application: Starlette) -> int:
    """Kill the model's process and wait until it is dead."""
    (pid,) = application.state.servers.pids()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return int(pid)


def ask(client: "SageMakerRuntimeClient", text: str = "Say hi.", **more: Any) -> Any:
    body = chat(text, **{"max_tokens": 12, "temperature": 0, **more})
    return json.loads(client.invoke_endpoint(EndpointName=OWN_MODEL, Body=body)["Body"].read())


def test_a_buffered_answer_has_text_usage_and_the_catalogues_name(
    client: "SageMakerRuntimeClient",
) -> None:
    answer = ask(client)

    (choice,) = answer["choices"]
    assert choice["message"]["content"].strip()
    assert choice["finish_reason"] in {"stop", "length"}
    assert 0 < answer["usage"]["completion_tokens"] <= 12
    assert answer["model"] == MODEL


def test_a_stream_has_the_chunks_of_vllm(client: "SageMakerRuntimeClient") -> None:
    body = chat("Say hi.", max_tokens=12, stream=True, stream_options={"include_usage": True})
    response = client.invoke_endpoint_with_response_stream(EndpointName=OWN_MODEL, Body=body)

    parts = list(parts_of(response))
    lines = b"".join(parts).decode().split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]]
    assert len(parts) > 3
    assert lines[-2:] == ["data: [DONE]", ""]
    assert ["role" in delta for delta in deltas] == [True] + [False] * (len(deltas) - 1)
    assert "".join(delta.get("content") or "" for delta in deltas).strip()
    assert reasons[-1] in {"stop", "length"}
    assert set(reasons[:-1]) == {None}
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["completion_tokens"] > 0) == ([], True)
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_a_json_schema_is_obeyed(client: "SageMakerRuntimeClient") -> None:
    properties = {"mood": {"enum": ["good", "bad"]}, "score": {"type": "integer"}}
    schema = {"type": "object", "properties": properties, "required": ["mood", "score"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}}

    answer = ask(client, "I love it.", max_tokens=80, response_format=wanted)

    said = json.loads(answer["choices"][0]["message"]["content"])
    assert said["mood"] in {"good", "bad"}
    assert isinstance(said["score"], int)


@pytest.mark.parametrize(
    ("text", "output"), [("word " * 9000, 10), ("word " * 1000, 7900)], ids=["prompt", "both"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_does_not_fit_the_context_is_vllms_400(
    client: "SageMakerRuntimeClient", text: str, output: int, *, stream: bool
) -> None:
    invoke = client.invoke_endpoint_with_response_stream if stream else client.invoke_endpoint
    with pytest.raises(client.exceptions.ModelError) as caught:
        invoke(EndpointName=OWN_MODEL, Body=chat(text, max_tokens=output, stream=stream))

    response: Any = caught.value.response
    assert response["OriginalStatusCode"] == 400
    assert f"requested {output} output tokens" in response["OriginalMessage"]
    assert "context length is only 8192 tokens" in response["OriginalMessage"]


def test_a_killed_model_is_back_at_the_next_call(
    client: "SageMakerRuntimeClient", application: Starlette
) -> None:
    ask(client)
    killed = kill_model(application)

    assert ask(client)["choices"][0]["message"]["content"].strip()
    assert application.state.servers.pids() != [killed]


def test_a_stream_whose_model_is_killed_ends_in_a_model_stream_error(
    client: "SageMakerRuntimeClient", application: Starlette
) -> None:
    body = chat("Count to one thousand.", max_tokens=2000, stream=True, ignore_eos=True)
    response = client.invoke_endpoint_with_response_stream(EndpointName=OWN_MODEL, Body=body)
    parts = parts_of(response)
    next(parts)

    kill_model(application)

    with pytest.raises(EventStreamError, match="the model server went away"):
        list(parts)
    assert ask(client)["choices"]


def test_a_runtime_that_is_killed_leaves_no_model_behind(
    control_plane_url: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "scripts.local.sagemaker", "--port", str(port)]
    command += ["--control-plane-url", control_plane_url, "--state-dir", str(tmp_path / "state")]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            transport = httpx.HTTPTransport(retries=10)
            with httpx.Client(transport=transport, timeout=60) as http:
                assert http.get(f"http://127.0.0.1:{port}/ping").status_code == 200
            with runtime_client(f"http://127.0.0.1:{port}") as client:
                ask(client)
            model = only_child(process.pid)
            ended = os.pidfd_open(model)
        finally:
            process.kill()
    assert select.select([ended], [], [], 30)[0], f"the model's process {model} is still there"
    os.close(ended)


def only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    (child,) = " ".join(path.read_text() for path in children).split()
    return int(child)


def test_weights_that_are_none_are_a_model_error_that_names_the_log(
    control_plane_url: str, tmp_path: Path
) -> None:
    gguf = tmp_path / "broken.gguf"
    gguf.write_bytes(b"GGUF but not really")
    options = ["--port", "0", "--control-plane-url", control_plane_url]
    options += ["--state-dir", str(tmp_path / "state")]
    broken = app(arguments(options, {"KIT_LOCAL_GGUF": str(gguf)}), {})

    with (
        serving(broken) as url,
        runtime_client(url) as client,
        pytest.raises(client.exceptions.ModelError, match="did not start") as caught,
    ):
        ask(client)
    response: Any = caught.value.response
    assert str(tmp_path / "logs" / "model.log") in response["OriginalMessage"]
    assert (tmp_path / "logs" / "model.log").read_text()
