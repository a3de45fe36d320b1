"""The local SageMaker runtime as boto3 sees it: calls, streams, every error, over a real port."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from scripts.local.sagemaker.__main__ import app, arguments
from scripts.local.sagemaker.invocations import Limits
from tests.fake_sagemaker import FakeSageMaker
from tests.scripted_model import ScriptedModel
from tests.serving import serving

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

ENDPOINT = "kit-local-smollm2-135m-instruct"
OWN_MODEL = "kit-local-own"
MODEL = "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def cloud() -> FakeSageMaker:
    fake = FakeSageMaker()
    fake.add_endpoint(ENDPOINT)
    fake.add_component(ENDPOINT, ENDPOINT, MODEL)
    fake.add_component("asleep", ENDPOINT, MODEL, copies=0)
    fake.add_component("flan", ENDPOINT, "flan-t5-base")
    fake.add_component("stranger", ENDPOINT, "not-in-the-catalogue")
    fake.add_endpoint(OWN_MODEL, MODEL)
    fake.add_endpoint("failed", MODEL)
    fake.endpoints["failed"]["EndpointStatus"] = "Failed"
    return fake


@pytest.fixture(scope="module")
def control_plane_url(cloud: FakeSageMaker) -> Iterator[str]:
    with serving(cloud.app()) as url:
        yield url


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    with serving(ScriptedModel().app()) as url:
        yield f"{url}/v1"


@pytest.fixture(scope="module")
def client(
    control_plane_url: str, model_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["SageMakerRuntimeClient"]:
    state = tmp_path_factory.mktemp("state")
    with serving(runtime(control_plane_url, model_url, state)) as url, runtime_client(url) as made:
        yield made


def runtime(
    control_plane_url: str, model_url: str, state: Path, limits: Limits | None = None
) -> Any:
    options = ["--port", "0", "--control-plane-url", control_plane_url]
    options += ["--state-dir", str(state), "--upstream-url", model_url]
    return app(arguments(options, {}), {}, limits or Limits())


@contextmanager
def runtime_client(url: str, key: str = "test") -> Iterator["SageMakerRuntimeClient"]:
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


def chat(command: str, **more: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": command}], **more}).encode()


def parts_of(response: Any) -> Iterator[bytes]:
    with closing(response["Body"]) as events:
        for event in events:
            yield event["PayloadPart"]["Bytes"]


def test_a_buffered_call_returns_the_containers_body(client: "SageMakerRuntimeClient") -> None:
    response = client.invoke_endpoint(
        EndpointName=ENDPOINT,
        InferenceComponentName=ENDPOINT,
        ContentType="application/json",
        Body=chat("echo: hello there"),
    )

    answer = json.loads(response["Body"].read())
    assert answer["choices"][0]["message"]["content"] == "hello there"
    assert response["ContentType"] == "application/json"
    assert response["InvokedProductionVariant"] == "AllTraffic"


def test_an_endpoint_with_its_own_model_needs_no_component(
    client: "SageMakerRuntimeClient",
) -> None:
    response = client.invoke_endpoint(EndpointName=OWN_MODEL, Body=chat("echo: mine"))

    assert b"mine" in response["Body"].read()


def test_whom_iam_does_not_allow_is_refused(
    cloud: FakeSageMaker, client: "SageMakerRuntimeClient"
) -> None:
    cloud.denied.add("nobody")
    with (
        runtime_client(client.meta.endpoint_url, "nobody") as denied,
        pytest.raises(ClientError, match="sagemaker:InvokeEndpoint") as refused,
    ):
        denied.invoke_endpoint(EndpointName=OWN_MODEL, Body=chat("echo: mine"))
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_stream_carries_the_containers_bytes_in_parts(client: "SageMakerRuntimeClient") -> None:
    response = client.invoke_endpoint_with_response_stream(
        EndpointName=ENDPOINT,
        InferenceComponentName=ENDPOINT,
        Body=chat("count 5 every 5", stream=True, stream_options={"include_usage": True}),
    )

    parts = list(parts_of(response))
    assert response["ContentType"].startswith("text/event-stream")
    assert len(parts) > 1
    lines = b"".join(parts).decode().split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert text == "1 2 3 4 5"
    assert chunks[-1]["usage"]["completion_tokens"] == 5
    assert lines[-2:] == ["data: [DONE]", ""]


def test_a_stream_that_breaks_gives_its_parts_and_then_a_model_stream_error(
    client: "SageMakerRuntimeClient",
) -> None:
    response = client.invoke_endpoint_with_response_stream(
        EndpointName=OWN_MODEL, Body=chat("fail after 3", stream=True)
    )

    received: list[bytes] = []
    with pytest.raises(EventStreamError) as caught:
        received.extend(parts_of(response))
    assert b'"3 "' in b"".join(received)
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"


def test_a_caller_that_hangs_up_ends_the_models_work(
    control_plane_url: str, tmp_path: Path
) -> None:
    model = ScriptedModel()
    with (
        serving(model.app()) as url,
        serving(runtime(control_plane_url, f"{url}/v1", tmp_path)) as runtime_url,
        runtime_client(runtime_url) as client,
    ):
        body = chat("count 100000 every 5", stream=True)
        response = client.invoke_endpoint_with_response_stream(EndpointName=OWN_MODEL, Body=body)
        next(iter(response["Body"]))
        response["Body"].close()

        assert model.hang_ups.acquire(timeout=20), "the model still generates"


def test_a_stream_over_its_time_limit_ends_in_a_model_stream_error(
    control_plane_url: str, model_url: str, tmp_path: Path
) -> None:
    limits = Limits(stream_s=0.3)
    with (
        serving(runtime(control_plane_url, model_url, tmp_path, limits)) as url,
        runtime_client(url) as client,
    ):
        response = client.invoke_endpoint_with_response_stream(
            EndpointName=OWN_MODEL, Body=chat("stall after 2", stream=True)
        )
        with pytest.raises(EventStreamError, match="timed out"):
            list(parts_of(response))


@pytest.mark.parametrize("call", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
def test_an_answer_over_its_time_limit_is_a_model_error(
    control_plane_url: str, model_url: str, tmp_path: Path, call: str
) -> None:
    limits = Limits(answer_s=0.2)
    body = chat("slow first 60000", stream=True)
    with (
        serving(runtime(control_plane_url, model_url, tmp_path, limits)) as url,
        runtime_client(url) as client,
        pytest.raises(ClientError, match="Your invocation timed out") as caught,
    ):
        getattr(client, call)(EndpointName=OWN_MODEL, Body=body)
    assert caught.value.response["Error"]["Code"] == "ModelError"


@pytest.mark.parametrize("call", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_containers_error_is_a_model_error_with_its_body(
    client: "SageMakerRuntimeClient", call: str, status: int
) -> None:
    with pytest.raises(client.exceptions.ModelError) as caught:
        getattr(client, call)(EndpointName=OWN_MODEL, Body=chat(f"error {status}", stream=True))

    response: Any = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status
    assert json.loads(response["OriginalMessage"])["error"]["code"] == status
    assert response["LogStreamArn"].endswith("/aws/sagemaker/Endpoints/kit-local-own")


def test_a_prompt_too_long_is_vllms_400(client: "SageMakerRuntimeClient") -> None:
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(EndpointName=OWN_MODEL, Body=chat("too long"))

    response: Any = caught.value.response
    assert response["OriginalStatusCode"] == 400
    assert "the model's context length is only 8192" in response["OriginalMessage"]


@pytest.mark.parametrize("body", [b"{nope", b"[]", b'{"messages": "hi"}', b"\xff\xfe"])
def test_a_body_that_is_no_chat_is_the_containers_400(
    client: "SageMakerRuntimeClient", body: bytes
) -> None:
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(EndpointName=OWN_MODEL, Body=body)

    response: Any = caught.value.response
    assert response["OriginalStatusCode"] == 400
    assert json.loads(response["OriginalMessage"])["error"]["type"] == "BadRequestError"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ({"EndpointName": "nobody"}, "Endpoint nobody of account 000000000000 not found."),
        ({"EndpointName": "failed"}, "Endpoint failed of account 000000000000 not found."),
        ({"EndpointName": ENDPOINT}, "Inference Component Name header is required"),
        ({"EndpointName": ENDPOINT, "InferenceComponentName": "x"}, "Component x of account"),
        ({"EndpointName": OWN_MODEL, "InferenceComponentName": ENDPOINT}, "not found"),
        ({"EndpointName": ENDPOINT, "InferenceComponentName": "asleep"}, "has no capacity"),
        ({"EndpointName": ENDPOINT, "InferenceComponentName": "stranger"}, "in the catalogue"),
    ],
)
def test_a_name_that_leads_nowhere_is_a_validation_error(
    client: "SageMakerRuntimeClient", names: Any, text: str
) -> None:
    with pytest.raises(ClientError, match=text) as caught:
        client.invoke_endpoint(Body=chat("echo: x"), **names)

    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_model_without_local_weights_says_so(client: "SageMakerRuntimeClient") -> None:
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(
            EndpointName=ENDPOINT, InferenceComponentName="flan", Body=b'{"inputs": "hi"}'
        )

    response: Any = caught.value.response
    refusal = json.loads(response["OriginalMessage"])
    assert refusal["error"] == (
        "'flan-t5-base' runs in the cloud only: its entry names no local artefact"
    )


def test_a_body_of_six_mebibytes_is_let_through(client: "SageMakerRuntimeClient") -> None:
    body = chat("echo: small", padding="")
    body = chat("echo: small", padding="x" * (6_291_456 - len(body)))

    assert b"small" in client.invoke_endpoint(EndpointName=OWN_MODEL, Body=body)["Body"].read()


def test_a_body_over_six_mebibytes_is_refused_with_413(client: "SageMakerRuntimeClient") -> None:
    with pytest.raises(ClientError, match="exceeded 6291456 bytes") as caught:
        client.invoke_endpoint(EndpointName=OWN_MODEL, Body=b"x" * 6_291_457)

    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_control_plane_that_is_down_is_service_unavailable(
    model_url: str, tmp_path: Path
) -> None:
    with (
        serving(runtime("http://127.0.0.1:9", model_url, tmp_path)) as url,
        runtime_client(url) as client,
        pytest.raises(ClientError) as caught,
    ):
        client.invoke_endpoint(EndpointName=ENDPOINT, Body=chat("echo: x"))
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_a_model_server_that_is_down_is_a_model_error(
    control_plane_url: str, tmp_path: Path
) -> None:
    with (
        serving(runtime(control_plane_url, "http://127.0.0.1:9/v1", tmp_path)) as url,
        runtime_client(url) as client,
        pytest.raises(ClientError, match="the model server went away") as caught,
    ):
        client.invoke_endpoint(EndpointName=OWN_MODEL, Body=chat("echo: x"))
    assert caught.value.response["Error"]["Code"] == "ModelError"


def test_an_asynchronous_call_with_its_body_writes_the_answer_to_s3(
    client: "SageMakerRuntimeClient", cloud: FakeSageMaker
) -> None:
    accepted: Any = client.invoke_endpoint_async(
        EndpointName=OWN_MODEL, InferenceId="mine", Body=chat("echo: later")
    )

    assert accepted["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert accepted["InferenceId"] == "mine"
    assert accepted["OutputLocation"].startswith("s3://results/out/")
    written = cloud.wait_for_object(accepted["OutputLocation"].removeprefix("s3://"))
    assert json.loads(written)["choices"][0]["message"]["content"] == "later"


def test_an_asynchronous_call_reads_its_input_from_s3(
    client: "SageMakerRuntimeClient", cloud: FakeSageMaker
) -> None:
    cloud.objects["inputs/a.json"] = chat("echo: from a file")

    accepted = client.invoke_endpoint_async(
        EndpointName=OWN_MODEL, InputLocation="s3://inputs/a.json"
    )

    written = cloud.wait_for_object(accepted["OutputLocation"].removeprefix("s3://"))
    assert json.loads(written)["choices"][0]["message"]["content"] == "from a file"


@pytest.mark.parametrize(
    "given",
    [{"Body": chat("error 500")}, {"InputLocation": "s3://inputs/absent.json"}],
    ids=["model", "input"],
)
def test_an_asynchronous_call_that_fails_writes_to_the_failure_path(
    client: "SageMakerRuntimeClient", cloud: FakeSageMaker, given: Any
) -> None:
    accepted = client.invoke_endpoint_async(EndpointName=OWN_MODEL, **given)

    assert accepted["FailureLocation"].startswith("s3://results/failed/")
    assert cloud.wait_for_object(accepted["FailureLocation"].removeprefix("s3://"))
    assert accepted["OutputLocation"].removeprefix("s3://") not in cloud.objects


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"EndpointName": OWN_MODEL}, "either InputLocation or Body"),
        ({"EndpointName": OWN_MODEL, "InputLocation": "https://h/a"}, "is no s3:// address"),
        ({"EndpointName": "nobody", "Body": chat("echo: x")}, "Endpoint nobody of account"),
    ],
)
def test_an_asynchronous_call_that_cannot_start_is_a_validation_error(
    client: "SageMakerRuntimeClient", given: Any, text: str
) -> None:
    with pytest.raises(ClientError, match=text) as caught:
        client.invoke_endpoint_async(**given)

    assert caught.value.response["Error"]["Code"] == "ValidationError"
