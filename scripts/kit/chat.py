"""`kit chat`: asks a model through the public API."""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from scripts.kit.options import json_option, stage_option
from scripts.kit.say import say

if TYPE_CHECKING:
    from scripts.kit.api import Api

Body = dict[str, Any]


@click.command()
@click.argument("prompt", required=False)
@stage_option()
@click.option("--model", help="Catalogue id; the stage's first model when not given.")
@click.option("--session", help="Id of a conversation to go on with, or to begin.")
@click.option("--system", help="What the model is told before the conversation.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Most tokens to generate.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="0: always the same answer.")
@json_option
def chat(
    prompt: str | None,
    stage: str,
    model: str | None,
    session: str | None,
    system: str | None,
    max_tokens: int | None,
    temperature: float | None,
    as_json: bool,
) -> None:
    """Ask PROMPT and print the answer as it is made; without PROMPT, talk."""
    api = connect(stage)
    model = model or first_model(api)
    talks = prompt is None and sys.stdin.isatty() and not as_json
    session = session or (new_session() if talks else None)
    sampling = {"max_tokens": max_tokens, "temperature": temperature}
    talk = Talk(api, model=model, session=session, system=system, sampling=sampling)
    if talks:
        talk_on(talk)
        return
    text = sys.stdin.read().strip() if prompt is None else prompt
    if as_json:
        click.echo(json.dumps(api.complete(talk.body(text)), indent=2))
    else:
        say(talk.ask(text, _print).described())


@dataclass(frozen=True)
class Ending:
    """What is known once a reply has ended."""

    model: str
    session: str | None
    first_token_s: float | None
    total_s: float
    completion_tokens: int | None
    finish_reason: str | None

    def described(self) -> str:
        parts = [self.model]
        parts += [f"session {self.session}"] if self.session else []
        if self.first_token_s is not None:
            parts.append(f"first token {self.first_token_s * 1000:.0f} ms")
        parts.append(f"total {self.total_s:.1f} s")
        if self.completion_tokens:
            parts.append(f"{self.completion_tokens} tokens")
        if self.finish_reason not in {"stop", None}:
            parts.append(f"ended by {self.finish_reason}")
        return " · ".join(parts)


class Talk:
    """One conversation. With a session the stage remembers; only what is new is sent."""

    def __init__(
        self,
        api: "Api",
        *,
        model: str,
        session: str | None,
        system: str | None,
        sampling: Mapping[str, float | None],
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._api = api
        self._model = model
        self._session = session
        self._system = system
        self._sampling = {name: value for name, value in sampling.items() if value is not None}
        self._now = now

    def body(self, text: str) -> Body:
        messages = [{"role": "user", "content": text}]
        if self._system:
            messages.insert(0, {"role": "system", "content": self._system})
        body: Body = {"model": self._model, "messages": messages, **self._sampling}
        if self._session:
            body["kit"] = {"session_id": self._session}
        return body

    def ask(self, text: str, write: Callable[[str], None]) -> Ending:
        """Send one message; `write` is given each piece of the answer as it arrives."""
        started = self._now()
        first: float | None = None
        last: Body = {}
        for chunk in self._api.stream(self.body(text)):
            last = {**last, **{k: v for k, v in facts(chunk).items() if v is not None}}
            piece = piece_of(chunk)
            if piece:
                first = first if first is not None else self._now() - started
                write(piece)
        write("\n")
        return Ending(
            model=last.get("model", self._model),
            session=last.get("session", self._session),
            first_token_s=first,
            total_s=self._now() - started,
            completion_tokens=last.get("completion_tokens"),
            finish_reason=last.get("finish_reason"),
        )


def facts(chunk: Body) -> Body:
    """What a chunk says beside its text; None where it does not."""
    choice = (chunk.get("choices") or [{}])[0]
    return {
        "model": chunk.get("model"),
        "session": (chunk.get("kit") or {}).get("session_id"),
        "completion_tokens": (chunk.get("usage") or {}).get("completion_tokens"),
        "finish_reason": choice.get("finish_reason"),
    }


def piece_of(chunk: Body) -> str:
    choice = (chunk.get("choices") or [{}])[0]
    return str((choice.get("delta") or {}).get("content") or "")


def talk_on(talk: Talk) -> None:
    """Ask for messages until the end of input."""
    say("An empty line or Ctrl-D ends the conversation.")
    while True:
        try:
            text = click.prompt("you", default="", show_default=False, err=True, type=str)
        except click.Abort:
            return
        if not text:
            return
        say(talk.ask(text, _print).described())


def connect(stage_name: str) -> "Api":
    from scripts.kit import stages, tokens
    from scripts.kit.api import Api

    stage = stages.load(stage_name)
    token = tokens.id_token(stage, tokens.TokenCache.from_env(os.environ))
    return Api.of(stage.base_url, token, is_local=stage.is_local)


def first_model(api: "Api") -> str:
    from scripts.kit.errors import CommandError

    models = api.models()
    if not models:
        raise CommandError("the stage has no model", next_step="kit models ls")
    return models[0]


def new_session() -> str:
    return f"cli-{secrets.token_hex(8)}"


def _print(piece: str) -> None:
    click.echo(piece, nl=False)
