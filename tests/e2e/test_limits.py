"""What one user may use: refused with 429 and the limit's name, and only to that user."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import openai
import pytest
from openai import OpenAI

from tests.e2e.cloud import Cloud, User, chat_body, said

AT_ONCE = 4
TOKENS_PER_DAY = 20
LONGEST_RETRY_AFTER_S = 120


@pytest.fixture
def _few_tokens_a_day(cloud: Cloud) -> Iterator[None]:
    """The chat function with another setting, as a deploy of another stage would leave it."""
    functions, name = cloud.client("lambda"), "kit-local-chat"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    fewer = {**variables, "KIT_TOKENS_PER_DAY": str(TOKENS_PER_DAY)}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": fewer})
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


@pytest.fixture
def _throttled_stage(cloud: Cloud) -> Iterator[None]:
    """The gateway lets one request through, and then one a minute or so."""
    gateway = cloud.client("apigateway")
    _, _, api_id, stage = cloud.api_url.rsplit("/", 3)
    found = gateway.get_stage(restApiId=api_id, stageName=stage)["methodSettings"]["*/*"]
    before = {
        "rateLimit": found["throttlingRateLimit"],
        "burstLimit": found["throttlingBurstLimit"],
    }

    def set_to(values: dict[str, float]) -> None:
        patches = [
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": str(value)}
            for name, value in values.items()
        ]
        gateway.update_stage(restApiId=api_id, stageName=stage, patchOperations=patches)

    set_to({"rateLimit": 0.01, "burstLimit": 1})
    yield
    set_to(before)


@contextmanager
def running(user: User) -> Iterator[str]:
    """A turn that runs until the block ends, where it is stopped; its id."""
    body = chat_body("count 5000 every 50", stream=True)
    with user.client.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        turn_id: str = json.loads(next(lines).removeprefix("data: "))["id"]
        yield turn_id
        user.delete(f"/v1/chat/completions/{turn_id}")
        for _ in lines:
            pass


def test_one_turn_too_many_at_once_is_refused_until_one_has_ended(
    newcomer: User, ben: User
) -> None:
    with ExitStack() as streams:
        for _ in range(AT_ONCE - 1):
            streams.enter_context(running(newcomer))
        with running(newcomer):
            refused = newcomer.ask("echo: one more")
            assert said(ben.ask("echo: not me")) == "not me"
        assert said(newcomer.ask("echo: now")) == "now"
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert "concurrent_streams" in error["message"]
    assert str(AT_ONCE) in error["message"]
    assert 0 < int(refused.headers["retry-after"]) <= LONGEST_RETRY_AFTER_S


def test_openai_s_client_raises_its_rate_limit_error(newcomer: User) -> None:
    with (
        OpenAI(base_url=newcomer.base_url, api_key=newcomer.token, max_retries=0) as client,
        ExitStack() as streams,
    ):
        for _ in range(AT_ONCE):
            streams.enter_context(running(newcomer))
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(**chat_body("echo: one more"))
    assert caught.value.code == "rate_limit_exceeded"


@pytest.mark.usefixtures("_few_tokens_a_day")
def test_once_the_day_s_tokens_are_used_up_the_next_turn_is_refused(
    newcomer: User, cloud: Cloud
) -> None:
    assert newcomer.ask(f"count {TOKENS_PER_DAY}").status_code == 200
    refused = newcomer.ask("echo: more")
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert error["code"] == "insufficient_quota"
    assert "tokens_per_day" in error["message"]
    assert str(TOKENS_PER_DAY) in error["message"]
    told = int(refused.headers["retry-after"])
    assert 0 < told <= 86_400
    assert (refused.headers.get("x-should-retry") == "false") == (told > LONGEST_RETRY_AFTER_S)
    with cloud.new_user() as other:
        assert said(other.ask("echo: not me")) == "not me"


@pytest.mark.usefixtures("_few_tokens_a_day")
def test_a_refused_turn_uses_no_tokens_and_no_place(newcomer: User) -> None:
    for _ in range(AT_ONCE + 1):
        assert newcomer.ask("error 500").status_code == 502
        assert newcomer.ask("hello", n=2).status_code == 400
    assert said(newcomer.ask("echo: still")) == "still"


@pytest.mark.usefixtures("_throttled_stage")
def test_a_throttled_caller_is_told_so_in_the_same_shape(ana: User) -> None:
    replies = [ana.get("/v1/models") for _ in range(3)]
    assert replies[-1].status_code == 429
    error = replies[-1].json()["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert replies[-1].headers["retry-after"] == "1"
    assert replies[-1].headers["x-request-id"]
