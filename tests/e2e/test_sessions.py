"""Conversations that are kept: what later turns see, lists, retries, two at once, deletion."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.e2e.cloud import MODEL, User, chat_body, said
from tests.scripted_model import ScriptedModel


def tell(user: User, text: str, session_id: str = "s", **fields: Any) -> httpx.Response:
    kit = {"session_id": session_id, **fields.pop("kit", {})}
    return user.ask(text, kit=kit, **fields)


def turns_of(user: User, session_id: str = "s", **query: Any) -> list[dict[str, Any]]:
    reply = user.get(f"/v1/sessions/{session_id}", params=query)
    assert reply.status_code == 200, reply.text
    turns: list[dict[str, Any]] = reply.json()["turns"]["data"]
    return turns


def sessions_of(user: User, **query: Any) -> list[str]:
    reply = user.get("/v1/sessions", params=query)
    assert reply.status_code == 200, reply.text
    return [session["id"] for session in reply.json()["data"]]


@contextmanager
def begun(user: User, text: str, **kit: str) -> Iterator[str]:
    """A streamed turn after its first event; read to its end when the block ends. Its id."""
    body = chat_body(text, stream=True, kit=kit)
    with user.client.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        first = next(lines)
        turn_id: str = json.loads(first.removeprefix("data: "))["id"]
        yield turn_id
        for _ in lines:
            pass


def test_a_later_turn_sees_the_earlier_ones(newcomer: User) -> None:
    tell(newcomer, "echo: one")
    tell(newcomer, "echo: two")
    assert json.loads(said(tell(newcomer, "messages?"))) == [
        {"role": "user", "content": "echo: one"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "echo: two"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "messages?"},
    ]


def test_without_a_session_nothing_is_remembered(newcomer: User) -> None:
    newcomer.ask("echo: one")
    assert json.loads(said(newcomer.ask("messages?"))) == [{"role": "user", "content": "messages?"}]
    assert sessions_of(newcomer) == []


def test_a_system_message_stays_in_force_until_another_comes(newcomer: User) -> None:
    def seen(text: str) -> Any:
        system = [{"role": "system", "content": text}] if text else []
        question = [*system, {"role": "user", "content": "messages?"}]
        reply = newcomer.post(
            {"model": MODEL, "messages": question, "kit": {"session_id": "s"}, "max_tokens": 500}
        )
        return [m["content"] for m in json.loads(said(reply)) if m["role"] == "system"]

    assert seen("Be brief.") == ["Be brief."]
    assert seen("") == ["Be brief."]
    assert seen("Be kind.") == ["Be kind."]
    assert seen("") == ["Be kind."]
    assert [turn["system"] for turn in turns_of(newcomer)][1:3] == ["Be brief.", "Be kind."]


def test_what_no_longer_fits_the_model_is_left_out_oldest_first(
    newcomer: User, model: ScriptedModel
) -> None:
    for name in ("first", "second"):
        tell(newcomer, f"echo: {name} " + "word " * 3_000)
    assert said(tell(newcomer, "echo: third")) == "third"
    asked = model.requests[-1]["messages"]
    assert [message["content"][:12] for message in asked] == [
        "echo: second",
        "second word ",
        "echo: third",
    ]


def test_a_session_is_listed_and_read_as_it_was_told(newcomer: User) -> None:
    reply = tell(newcomer, "echo:  a   title")
    (session,) = newcomer.get("/v1/sessions").json()["data"]
    assert (session["title"], session["turn_count"]) == ("echo: a title", 1)
    assert session["created_at"] <= session["updated_at"]
    (turn,) = turns_of(newcomer)
    assert turn["id"] == reply.json()["id"]
    assert turn["messages"] == [{"role": "user", "content": "echo:  a   title"}]
    assert turn["reply"] == {"role": "assistant", "content": said(reply)}
    assert (turn["status"], turn["finish_reason"], turn["error"]) == ("completed", "stop", None)
    assert turn["usage"] == reply.json()["usage"]


def test_sessions_come_last_used_first_and_in_pages(newcomer: User) -> None:
    names = [f"session-{n}" for n in range(5)]
    for name in names:
        tell(newcomer, "echo: hello", name)
    tell(newcomer, "echo: again", names[0])
    order = [names[0], *reversed(names[1:])]
    assert sessions_of(newcomer) == order
    first = newcomer.get("/v1/sessions", params={"limit": 2}).json()
    assert (first["has_more"], first["first_id"], first["last_id"]) == (True, order[0], order[1])
    assert sessions_of(newcomer, limit=2, after=order[1]) == order[2:4]
    last = newcomer.get("/v1/sessions", params={"limit": 2, "after": order[3]}).json()
    assert ([s["id"] for s in last["data"]], last["has_more"]) == (order[4:], False)


def test_the_turns_of_a_session_come_in_pages_oldest_first(newcomer: User) -> None:
    made = [tell(newcomer, f"echo: {n}").json()["id"] for n in range(3)]
    assert [turn["id"] for turn in turns_of(newcomer, limit=2)] == made[:2]
    assert [turn["id"] for turn in turns_of(newcomer, limit=2, after=made[1])] == made[2:]


def test_a_deleted_session_is_gone_and_its_name_is_free(newcomer: User) -> None:
    turn_id = tell(newcomer, "echo: one").json()["id"]
    tell(newcomer, "echo: other", "other")
    reply = newcomer.delete("/v1/sessions/s")
    assert reply.json() == {"id": "s", "object": "session.deleted", "deleted": True}
    assert newcomer.get("/v1/sessions/s").status_code == 404
    assert newcomer.delete("/v1/sessions/s").status_code == 404
    assert newcomer.delete(f"/v1/chat/completions/{turn_id}").status_code == 404
    assert sessions_of(newcomer) == ["other"]
    assert len(json.loads(said(tell(newcomer, "messages?")))) == 1


def test_a_long_text_is_kept_whole_and_seen_by_the_next_turn(
    newcomer: User, model: ScriptedModel
) -> None:
    word = "x" * 300_000
    assert said(tell(newcomer, f"echo: {word}")) == word
    (turn,) = turns_of(newcomer)
    assert turn["messages"][0]["content"] == f"echo: {word}"
    assert turn["reply"]["content"] == word
    tell(newcomer, "echo: next")
    assert model.requests[-1]["messages"][1]["content"] == word


def test_in_a_session_an_assistant_message_is_refused(newcomer: User) -> None:
    said_before = [{"role": "assistant", "content": "yes"}, {"role": "user", "content": "hello"}]
    kit = {"session_id": "s"}
    reply = newcomer.post({"model": MODEL, "messages": said_before, "kit": kit})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "messages"
    assert sessions_of(newcomer) == []
    assert newcomer.post({"model": MODEL, "messages": said_before}).status_code == 200


def test_a_refused_turn_leaves_no_session(newcomer: User) -> None:
    assert tell(newcomer, "error 500").status_code == 502
    assert tell(newcomer, "too long").status_code == 400
    assert sessions_of(newcomer) == []


def test_a_turn_that_broke_off_is_kept_with_what_was_made(newcomer: User) -> None:
    assert tell(newcomer, "fail after 3").status_code == 502
    (turn,) = turns_of(newcomer)
    assert (turn["status"], turn["reply"]["content"]) == ("failed", "1 2 3 ")
    assert turn["error"] == "model_failed"


def test_a_retry_returns_the_same_turn(newcomer: User, model: ScriptedModel) -> None:
    first = tell(newcomer, "echo: once", kit={"client_turn_id": "a"})
    calls = len(model.requests)
    again = tell(newcomer, "echo: once", kit={"client_turn_id": "a"})
    assert again.json()["id"] == first.json()["id"]
    assert said(again) == "once"
    assert again.json()["usage"] == first.json()["usage"]
    assert len(model.requests) == calls
    assert len(turns_of(newcomer)) == 1


def test_a_retry_with_other_messages_is_a_conflict(newcomer: User) -> None:
    tell(newcomer, "echo: once", kit={"client_turn_id": "a"})
    reply = tell(newcomer, "echo: twice", kit={"client_turn_id": "a"})
    assert reply.status_code == 409
    assert reply.json()["error"]["param"] == "kit.client_turn_id"


def test_a_retry_while_the_turn_runs_follows_it_to_its_end(newcomer: User) -> None:
    with begun(newcomer, "count 30 every 50", session_id="s", client_turn_id="a") as turn_id:
        reply = tell(newcomer, "count 30 every 50", kit={"client_turn_id": "a"})
    assert reply.json()["id"] == turn_id
    assert said(reply).split() == [str(n) for n in range(1, 31)]
    assert len(turns_of(newcomer)) == 1


def test_many_retries_at_once_make_one_turn(newcomer: User) -> None:
    def send(_: int) -> httpx.Response:
        return tell(newcomer, "count 20 every 50", kit={"client_turn_id": "a"})

    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(send, range(6)))
    assert {reply.status_code for reply in replies} <= {200, 409}
    answered = [reply for reply in replies if reply.status_code == 200]
    assert len({reply.json()["id"] for reply in answered}) == 1
    (turn,) = turns_of(newcomer)
    assert turn["id"] == answered[0].json()["id"]
    assert said(send(0)) == turn["reply"]["content"]


def test_a_client_that_hangs_up_finds_its_whole_turn_later(newcomer: User) -> None:
    body = chat_body("count 30 every 50", stream=True)
    body["kit"] = {"session_id": "s", "client_turn_id": "a"}
    with newcomer.client.stream("POST", "/v1/chat/completions", json=body) as reply:
        next(reply.iter_lines())
    resumed = tell(newcomer, "count 30 every 50", kit={"client_turn_id": "a"})
    assert said(resumed).endswith(" 30")
    (turn,) = turns_of(newcomer)
    assert (turn["status"], turn["finish_reason"]) == ("completed", "stop")


def test_a_silent_model_is_waited_for_audibly_and_can_be_stopped(newcomer: User) -> None:
    body = chat_body("stall after 2", stream=True, kit={"session_id": "s"})
    with newcomer.client.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        turn_id = json.loads(next(lines).removeprefix("data: "))["id"]
        assert any(line.startswith(": ") for line in lines)
        assert newcomer.delete(f"/v1/chat/completions/{turn_id}").status_code == 200
        assert [line for line in lines if line][-1] == "data: [DONE]"
    (turn,) = turns_of(newcomer)
    assert (turn["status"], turn["reply"]["content"]) == ("stopped", "1 2 ")


def test_while_a_turn_runs_its_session_takes_no_other(newcomer: User) -> None:
    with begun(newcomer, "count 20 every 50", session_id="s"):
        reply = tell(newcomer, "echo: me too")
        elsewhere = tell(newcomer, "echo: elsewhere", "other")
    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == "turn_running"
    assert said(elsewhere) == "elsewhere"
    assert said(tell(newcomer, "echo: now")) == "now"
    assert [turn["position"] for turn in turns_of(newcomer)] == [0, 1]


def test_of_many_turns_at_once_in_a_session_one_is_taken(newcomer: User) -> None:
    with ThreadPoolExecutor(5) as threads:
        sent = threads.map(lambda n: tell(newcomer, f"count {20 + n} every 100"), range(5))
        statuses = sorted(reply.status_code for reply in sent)
    assert statuses == [200, 409, 409, 409, 409]
    assert len(turns_of(newcomer)) == 1


def test_openai_s_client_waits_for_the_running_turn_by_its_own_retries(newcomer: User) -> None:
    with (
        OpenAI(base_url=newcomer.base_url, api_key=newcomer.token, max_retries=5) as client,
        begun(newcomer, "count 30 every 50", session_id="s"),
    ):
        extra = {"kit": {"session_id": "s"}}
        with pytest.raises(openai.ConflictError):
            client.with_options(max_retries=0).chat.completions.create(
                **chat_body("echo: at once"), extra_body=extra
            )
        reply = client.chat.completions.create(**chat_body("echo: in the end"), extra_body=extra)
    assert reply.choices[0].message.content == "in the end"


def test_what_must_not_be_kept_is_not(newcomer: User) -> None:
    kept, unkept = newcomer.ask("echo: kept"), newcomer.ask("echo: unkept", store=False)
    found = newcomer.delete(f"/v1/chat/completions/{kept.json()['id']}")
    assert found.json()["kit"] == {"status": "completed"}
    assert newcomer.delete(f"/v1/chat/completions/{unkept.json()['id']}").status_code == 404
