"""What to paste once the laptop cloud is up: variables, a curl line, the `openai` client."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scripts.local.launcher.cloud import Access

_TEXT = """\
The laptop cloud is up. Paste into a shell:

  export OPENAI_BASE_URL=<url>
  export OPENAI_API_KEY=<token>
  curl -N "$OPENAI_BASE_URL/chat/completions" -H "Authorization: Bearer $OPENAI_API_KEY" \\
    -H "content-type: application/json" -d '{"model": "<model>", "stream": true,
    "messages": [{"role": "user", "content": "Hello"}]}'

or, with those two variables set, into Python:

  from openai import OpenAI
  question = [{"role": "user", "content": "Hello"}]
  reply = OpenAI().chat.completions.create(model="<model>", messages=question, stream=True)
  for chunk in reply: print(chunk.choices[0].delta.content or "", end="", flush=True)

The token is valid for an hour; a new one: eval "$(kit local status -o env)"
Next: source .venv/bin/activate, then kit chat"""


def text(access: "Access") -> str:
    parts = {"<url>": access.base_url, "<token>": access.token, "<model>": access.model}
    found = _TEXT
    for mark, value in parts.items():
        found = found.replace(mark, value)
    return found
