"""The process of the chat function: ready in time, and nothing heavy in it."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from tests.asgi import lifespan
from tests.builders import SMALL
from tests.chat_app import ROOT, App


def test_it_is_ready_before_its_first_request() -> None:
    heard = App().post(b"", None, method="GET", path="/ready")
    assert heard.status == 200


def test_it_starts_and_shuts_down() -> None:
    async def said() -> list[str]:
        return [message async for message in lifespan(App().asgi)]

    assert asyncio.run(said()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """What a fresh process of the chat function has imported once it is ready."""
    script = (
        "import asyncio, sys\n"
        "from lambdas.functions.chat import app\n"
        "said = []\n"
        "async def receive(): return {'type': 'lifespan.startup'}\n"
        "async def send(message): said.append(message)\n"
        "asyncio.run(app({'type': 'lifespan'}, receive, send))\n"
        "assert said[0]['type'] == 'lifespan.startup.complete'\n"
        "sys.stdout.write(' '.join(sys.modules))\n"
    )
    settings = {
        "KIT_STAGE": "test",
        "KIT_TABLE_NAME": "t",
        "KIT_TEXT_BUCKET_NAME": "b",
        "KIT_MODELS": json.dumps([SMALL]),
    }
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "package",
    [
        "boto3",  # its clients come from botocore: see lambdas.wiring
        "starlette",
        "langchain",
        "langchain_core",
        "numpy",
        "torch",
        "pandas",
        "sagemaker",
        "aws_cdk",
        "click",
        "rich",
        "aws_lambda_powertools",
    ],
)
def test_a_chat_process_imports_nothing_heavy(imported: set[str], package: str) -> None:
    assert "lambdas.core.chat" in imported
    assert "lambdas.aws.turns" in imported
    assert package not in imported
