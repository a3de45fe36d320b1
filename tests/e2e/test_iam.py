"""With IAM enforced a role suffices for all that its function does, and for nothing else."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e import grants
from tests.e2e.cloud import MODEL, CannotRunError, Cloud, User, chat_body, said
from tests.emulated import free_port

# Above what an item holds, so that it goes to the bucket; one word, so that the model takes it.
LONG = "x" * 40_000
LAMBDA_ITSELF = "Lambda uses it in the function's name; the emulator does that without the role"
NEVER_USED_HERE = {
    "logs:CreateLogStream": LAMBDA_ITSELF,
    "logs:PutLogEvents": LAMBDA_ITSELF,
    "xray:PutTelemetryRecords": LAMBDA_ITSELF,
    "xray:PutTraceSegments": LAMBDA_ITSELF,
}


@pytest.fixture(scope="module")
def enforced(model_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("enforced-cloud")
    cloud = Cloud(folder, port=free_port(), sagemaker_port=free_port(), enforce_iam=True)
    try:
        cloud.up(model_url=model_url)
        yield cloud
    except CannotRunError as error:
        pytest.skip(str(error))
    finally:
        cloud.down()


@pytest.fixture(scope="module")
def user(enforced: Cloud) -> Iterator[User]:
    with enforced.new_user() as user:
        yield user


def test_roles_allow_all_that_is_done_and_nothing_more(enforced: Cloud, user: User) -> None:
    _chat(user)
    _refused_and_taken_back(user)
    _stopped(user)
    _looked_up_and_removed(user)
    lines = grants.report(enforced)
    needless = [line for line in lines if line.split()[-1] not in NEVER_USED_HERE]
    assert needless == [], "grant less in cdk/policies.py, or write the reason down here"
    assert {line.split()[-1] for line in lines} == set(NEVER_USED_HERE)


def _chat(user: User) -> None:
    """Buffered and streamed, with and without a session, kept in the table and in the bucket."""
    assert said(user.ask("echo: hello")) == "hello"
    kit = {"session_id": "s"}
    streamed = user.ask(f"echo: {LONG}", stream=True, kit=kit)
    assert streamed.text.endswith("data: [DONE]\n\n")
    again = {**kit, "client_turn_id": "once"}
    for _ in range(2):
        seen = json.loads(said(user.ask("messages?", kit=again)))
        assert [m["content"] for m in seen] == [f"echo: {LONG}", LONG, "messages?"]


def _refused_and_taken_back(user: User) -> None:
    """The model refuses what was stored already, long text and all."""
    messages = [{"role": "user", "content": text} for text in (LONG, "too long")]
    for kit in ({}, {"session_id": "refused"}):
        reply = user.post({"model": MODEL, "messages": messages, "kit": kit})
        assert reply.json()["error"]["code"] == "context_length_exceeded", reply.text
    assert user.get("/v1/sessions/refused").status_code == 404


def _stopped(user: User) -> None:
    body = chat_body("stall after 2", stream=True, kit={"session_id": "stopped"})
    with user.client.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        turn_id = json.loads(next(lines).removeprefix("data: "))["id"]
        assert user.delete(f"/v1/chat/completions/{turn_id}").status_code == 200
        assert list(lines)[-2:] == ["data: [DONE]", ""]


def _looked_up_and_removed(user: User) -> None:
    assert user.get(f"/v1/models/{MODEL}").status_code == 200
    assert [m["id"] for m in user.get("/v1/models").json()["data"]] == [MODEL]
    newest = user.get("/v1/sessions", params={"limit": 1}).json()
    rest = user.get("/v1/sessions", params={"after": newest["last_id"]}).json()
    assert [s["id"] for s in (*newest["data"], *rest["data"])] == ["stopped", "s"]
    turns = user.get("/v1/sessions/s").json()["turns"]["data"]
    assert turns[0]["reply"]["content"] == LONG
    for session_id in ("s", "stopped"):
        assert user.delete(f"/v1/sessions/{session_id}").status_code == 200
        assert user.get(f"/v1/sessions/{session_id}").status_code == 404
