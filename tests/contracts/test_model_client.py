"""What every ModelClient keeps to: the fake of the unit tests, and SageMaker's runtime."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from lambdas.aws.sagemaker import SageMakerModels
from lambdas.core.catalogue import ModelEntry
from lambdas.core.errors import InvalidRequestError, KitError, ModelFailedError, UnavailableError
from lambdas.core.generation import (
    Finished,
    GenerationRequest,
    ModelClient,
    Piece,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from scripts.local.sagemaker.__main__ import app, arguments
from scripts.local.sagemaker.invocations import Limits
from tests.aws_replies import Fault, broken, refusal, replying
from tests.builders import SMALL, TOOLS, a_generation, an_entry
from tests.fake_sagemaker import FakeSageMaker
from tests.scripted_client import Script, ScriptedClient
from tests.scripted_model import ScriptedModel
from tests.serving import serving

PREFIX = "kit-local-"
ASLEEP = an_entry(id="asleep")
FAILED = ModelFailedError("broke")
# What a command of the scripted model server makes the fake do.
SCRIPTS: dict[str, Script] = {
    "count 3": [*map(TextDelta, ("1 ", "2 ", "3")), Finished("stop"), Usage(2, 3)],
    "count 9": [*map(TextDelta, ("1 ", "2 ")), Finished("length"), Usage(2, 2)],
    "nothing": [Finished("stop"), Usage(1, 0)],
    'tool weather {"city": "Zug"}': [
        ToolCallDelta(0, "", id="call_1", name="weather"),
        ToolCallDelta(0, '{"city": "Zug"}'),
        Finished("tool_calls"),
        Usage(4, 2),
    ],
    "fail after 2": [TextDelta("1 "), TextDelta("2 "), FAILED],
    "error after 2": [TextDelta("1 "), TextDelta("2 "), FAILED],
    "stall after 2": [TextDelta("1 "), TextDelta("2 "), threading.Event()],
    "too long": [InvalidRequestError("too long", code="context_length_exceeded")],
    "error 400": [InvalidRequestError("no", code="model_refused")],
    "error 429": [UnavailableError("busy", retry_after_s=2, code="model_busy")],
    "error 503": [UnavailableError("busy", retry_after_s=2, code="model_busy")],
    "error 500": [FAILED],
}


@dataclass
class Models:
    """A client, and whether the model noticed that its reader left."""

    client: Callable[[str], ModelClient]
    left: Callable[[], bool]

    def open(self, command: str, entry: ModelEntry | None = None, **fields: Any) -> Iterator[Piece]:
        request: GenerationRequest = a_generation(command, **fields)
        return self.client(command).open(entry or an_entry(), request)


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture(scope="module")
def sagemaker(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of the local SageMaker runtime, in front of the scripted model server."""
    control = FakeSageMaker()
    for model_id, copies in ((SMALL, 1), (TOOLS, 1), (ASLEEP.id, 0)):
        name = f"{PREFIX}{an_entry(id=model_id).resource_name}"
        control.add_endpoint(name)
        control.add_component(name, name, SMALL, copies=copies)
    state = tmp_path_factory.mktemp("state")
    with serving(model.app()) as model_url, serving(control.app()) as control_url:
        runtime = _runtime(control_url, f"{model_url}/v1", state)
        with serving(runtime) as url:
            client = _client(url)
            yield client
            client.close()


@pytest.fixture(params=["fake", "sagemaker"])
def models(request: pytest.FixtureRequest, model: ScriptedModel) -> Models:
    if request.param == "sagemaker":
        client = SageMakerModels(request.getfixturevalue("sagemaker"), name_prefix=PREFIX)
        return Models(lambda _: client, lambda: model.hang_ups.acquire(timeout=20))
    fakes: list[ScriptedClient] = []

    def fake(command: str) -> ScriptedClient:
        fakes.append(ScriptedClient(SCRIPTS[command]))
        return fakes[-1]

    return Models(fake, lambda: fakes[-1].closed.wait(20))


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))


def until_error(pieces: Iterator[Piece]) -> tuple[list[Piece], KitError]:
    heard: list[Piece] = []
    with pytest.raises(KitError) as ended:
        heard.extend(_kept(pieces, heard))
    return heard, ended.value


def _kept(pieces: Iterator[Piece], heard: list[Piece]) -> Iterator[Piece]:
    """Keep each piece as it comes, so that an error loses none."""
    for piece in pieces:
        heard.append(piece)
    return iter(())


def _runtime(control_url: str, model_url: str, state: Path) -> Any:
    options = ["--port", "0", "--control-plane-url", control_url]
    options += ["--state-dir", str(state), "--upstream-url", model_url]
    return app(arguments(options, {}), {}, Limits())


def _client(url: str) -> Any:
    make: Any = boto3.client
    once = Config(retries={"total_max_attempts": 1})
    return make("sagemaker-runtime", endpoint_url=url, region_name="us-east-1", config=once)


def test_a_reply_is_text_then_one_end_then_usage(models: Models) -> None:
    pieces = list(models.open("count 3"))
    assert text_of(pieces) == "1 2 3"
    assert pieces[-2:] == [Finished("stop"), Usage(2, 3)]
    assert sum(isinstance(piece, Finished) for piece in pieces) == 1


def test_a_reply_cut_by_its_limit_says_so(models: Models) -> None:
    pieces = list(models.open("count 9", max_tokens=2))
    assert text_of(pieces).split() == ["1", "2"]
    assert Finished("length") in pieces


def test_a_reply_may_be_empty(models: Models) -> None:
    assert list(models.open("nothing")) == [Finished("stop"), Usage(1, 0)]


def test_a_tool_call_comes_in_fragments_that_name_it_once(models: Models) -> None:
    pieces = list(models.open('tool weather {"city": "Zug"}', an_entry(TOOLS)))
    calls = [piece for piece in pieces if isinstance(piece, ToolCallDelta)]
    assert (calls[0].id, calls[0].name) == ("call_1", "weather")
    assert {(call.index, call.id, call.name) for call in calls[1:]} == {(0, None, None)}
    assert "".join(call.arguments for call in calls) == '{"city": "Zug"}'
    assert Finished("tool_calls") in pieces


@pytest.mark.parametrize("command", ["fail after 2", "error after 2"])
def test_a_reply_that_breaks_off_gives_what_was_made_and_then_the_error(
    models: Models, command: str
) -> None:
    pieces, error = until_error(models.open(command))
    assert text_of(pieces) == "1 2 "
    assert isinstance(error, ModelFailedError)
    assert not [piece for piece in pieces if isinstance(piece, Finished)]


@pytest.mark.parametrize(
    ("command", "kind", "code"),
    [
        ("too long", InvalidRequestError, "context_length_exceeded"),
        ("error 400", InvalidRequestError, "model_refused"),
        ("error 429", UnavailableError, "model_busy"),
        ("error 503", UnavailableError, "model_busy"),
        ("error 500", ModelFailedError, "model_failed"),
    ],
)
def test_a_refusal_comes_before_the_first_piece(
    models: Models, command: str, kind: type[KitError], code: str
) -> None:
    with pytest.raises(kind) as refused:
        models.open(command)
    assert refused.value.code == code


def test_closing_the_reply_early_ends_the_connection_to_the_model(models: Models) -> None:
    pieces = models.open("stall after 2")
    assert isinstance(next(pieces), TextDelta)
    close: Any = pieces
    close.close()
    assert models.left()


def test_the_container_is_asked_in_its_own_words(sagemaker: Any, model: ScriptedModel) -> None:
    client = SageMakerModels(sagemaker, name_prefix=PREFIX)
    list(client.open(an_entry(), a_generation("count 3", temperature=0.5)))
    body = model.requests[-1]
    assert (body["temperature"], body["stream"]) == (0.5, True)
    assert body["messages"] == [{"role": "user", "content": "count 3"}]


# SageMaker's own refusals

OWN = {
    "asleep": (
        refusal("ValidationError", "Inference Component has no capacity to process this request."),
        "model_waking",
    ),
    "unknown": (
        refusal("ValidationError", "Endpoint kit-local-x of account 1 not found."),
        "model_unavailable",
    ),
    "starting": (refusal("ModelNotReadyException", status=429), "model_waking"),
    "unavailable": (refusal("ServiceUnavailable", status=503), "model_waking"),
    "throttled": (refusal("ThrottlingException", status=429), "model_busy"),
    "out of reach": (broken(EndpointConnectionError(endpoint_url="http://x")), "model_unavailable"),
    "too slow to connect": (
        broken(ConnectTimeoutError(endpoint_url="http://x")),
        "model_unavailable",
    ),
    "silent": (broken(ReadTimeoutError(endpoint_url="http://x")), "model_unavailable"),
}


def refused(sagemaker: Any, fault: Fault) -> KitError:
    client = SageMakerModels(sagemaker, name_prefix=PREFIX)
    call = "InvokeEndpointWithResponseStream"
    with replying(sagemaker, call, [fault]), pytest.raises(KitError) as raised:
        client.open(an_entry(), a_generation())
    return raised.value


@pytest.mark.parametrize(("fault", "code"), OWN.values(), ids=OWN.keys())
def test_a_model_that_cannot_answer_now_is_unavailable_for_a_time_that_clients_wait(
    sagemaker: Any, fault: Fault, code: str
) -> None:
    error = refused(sagemaker, fault)
    assert isinstance(error, UnavailableError)
    assert error.code == code
    assert 0 < error.retry_after_s <= 120
    assert SMALL in str(error)


def test_a_component_without_copies_is_waking(sagemaker: Any) -> None:
    client = SageMakerModels(sagemaker, name_prefix=PREFIX)
    with pytest.raises(UnavailableError) as refused_:
        client.open(ASLEEP, a_generation())
    assert refused_.value.code == "model_waking"


def test_an_endpoint_that_is_not_there_is_unavailable(sagemaker: Any) -> None:
    client = SageMakerModels(sagemaker, name_prefix="other-")
    with pytest.raises(UnavailableError) as refused_:
        client.open(an_entry(), a_generation())
    assert refused_.value.code == "model_unavailable"


@pytest.mark.parametrize("code", ["InternalFailure", "InternalDependencyException"])
def test_a_failure_of_sagemaker_itself_is_a_failed_model(sagemaker: Any, code: str) -> None:
    assert isinstance(refused(sagemaker, refusal(code, status=500)), ModelFailedError)


def test_a_refusal_that_nobody_foresaw_keeps_its_trace(sagemaker: Any) -> None:
    client = SageMakerModels(sagemaker, name_prefix=PREFIX)
    denied = [refusal("AccessDeniedException", status=403)]
    with (
        replying(sagemaker, "InvokeEndpointWithResponseStream", denied),
        pytest.raises(ClientError),
    ):
        client.open(an_entry(), a_generation())
