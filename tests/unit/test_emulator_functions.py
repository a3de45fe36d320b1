"""Plain functions: what they see, and how their errors are worded."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.local.emulator import function_worker
from scripts.local.emulator.function_worker import ERROR_MARK
from scripts.local.emulator.functions import FunctionHost, with_aws_error
from scripts.local.emulator.options import parse, process_environment

HANDLERS = """
import logging, sys
logging.getLogger().setLevel(logging.INFO)


def echo(event, context):
    print("printed")
    logging.info("logged")
    assert context.get_remaining_time_in_millis() <= 5000
    return {"event": event, "id": context.aws_request_id, "layer": __import__("in_layer").NAME}


def fail(event, context):
    raise ValueError("no good")
"""


def options_of(*more: str) -> Any:
    required = ["--port", "5100", "--state-dir", "state", "--function-python", sys.executable]
    return parse([*required, "--sagemaker-runtime-url", "http://127.0.0.1:1", *more])


@contextmanager
def worker(folder: Path, handler: str) -> Iterator[subprocess.Popen[str]]:
    (folder / "handlers.py").write_text(HANDLERS)
    (folder / "broken.py").write_text("import nowhere_to_be_found\n")
    layer = folder / "layer" / "python"
    layer.mkdir(parents=True, exist_ok=True)
    (layer / "in_layer.py").write_text("NAME = 'layer'\n")
    module, name = handler.split(".")
    init = {"code_dir": str(folder), "module": module, "handler": name}
    init |= {"function_name": "f", "memory": 128, "arn": "arn"}  # type: ignore[dict-item]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-I", function_worker.__file__],
        env={"_LAMBDA_LAYERS_DIRS": str(folder / "layer")},
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(init) + "\n")
        process.stdin.flush()
        yield process
        process.stdin.close()


def reply(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def invoke(process: subprocess.Popen[str], event: object) -> dict[str, Any]:
    assert process.stdin is not None
    message = {"event": event, "ctx": {"request_id": "id-1", "timeout_ms": 5000}}
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    return reply(process)


def test_a_handler_is_called_with_event_context_and_layer(tmp_path: Path) -> None:
    with worker(tmp_path, "handlers.echo") as process:
        assert reply(process) == {"status": "ready", "cold": True}
        answer = invoke(process, [1, 2])
        assert answer["result"] == {"event": [1, 2], "id": "id-1", "layer": "layer"}
        assert process.stdin is not None
        process.stdin.close()
        assert process.stderr is not None
        lines = process.stderr.read().splitlines()
    assert lines[0] == "printed"
    level, _moment, request_id, text = lines[1].split("\t")
    assert (level, request_id, text) == ("[INFO]", "id-1", "logged")


def test_a_handlers_exception_is_awss_error_object(tmp_path: Path) -> None:
    with worker(tmp_path, "handlers.fail") as process:
        reply(process)
        answer = invoke(process, {})
        again = invoke(process, {})
    error = json.loads(answer["error"].removeprefix(ERROR_MARK))
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no good")
    assert "handlers.py" in error["stackTrace"][0]
    assert answer["trace"].startswith("[ERROR] ValueError: no good\nTraceback")
    assert again["status"] == "error"


def test_a_module_that_cannot_be_imported_says_so(tmp_path: Path) -> None:
    with worker(tmp_path, "broken.handler") as process:
        answer = reply(process)
    error = json.loads(answer["error"].removeprefix(ERROR_MARK))
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == (
        "Unable to import module 'broken': No module named 'nowhere_to_be_found'"
    )


def test_a_missing_handler_says_so(tmp_path: Path) -> None:
    with worker(tmp_path, "handlers.nothing") as process:
        answer = reply(process)
    error = json.loads(answer["error"].removeprefix(ERROR_MARK))
    assert error["errorType"] == "Runtime.HandlerNotFound"


def test_the_emulators_wording_gives_way_to_the_functions_own_error() -> None:
    error = {"errorType": "ValueError", "errorMessage": "no good"}
    message = f"Worker init failed: {ERROR_MARK}{json.dumps(error)}"
    result = {"error": True, "body": {"errorMessage": message, "errorType": "X"}, "log": ""}
    changed = with_aws_error(result)
    assert changed["body"] == error
    assert changed["log"] == "[ERROR] ValueError: no good"


def test_other_results_pass_unchanged() -> None:
    for result in (
        {"body": {"errorMessage": "a function may return this"}},
        {"error": True, "body": {"errorMessage": "Task timed out after 3.00 seconds"}},
        {"error": True, "body": None},
    ):
        assert with_aws_error(result) is result


def test_a_function_sees_its_variables_but_not_the_emulators() -> None:
    host = FunctionHost(Path("/venv/bin/python"), {"AUTH": "true", "STATE_DIR": "/s"}, {"TZ": "U"})
    asked = {"AUTH": "mine", "STATE_DIR": "/s", "NAME": "v", "PATH": "/host", "AWS_REGION": "r"}
    seen = host.environment(asked | {"AWS_LAMBDA_FUNCTION_NAME": "f"})
    assert (seen["AUTH"], seen["NAME"], seen["AWS_REGION"], seen["TZ"]) == ("mine", "v", "r", "U")
    assert seen["PATH"].split(":")[0] == "/venv/bin"
    assert seen["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/f"
    assert "STATE_DIR" not in seen


def test_the_emulator_listens_on_loopback_and_takes_no_aws_variable_of_the_host() -> None:
    host = {"PATH": "/bin", "AWS_PROFILE": "real", "AWS_SECRET_ACCESS_KEY": "s", "MINE": "x"}
    environment = process_environment(options_of("--enforce-iam"), host)
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert environment["IOT_MTLS_ENABLED"] == "0"
    assert environment["AUTH"] == "true"
    assert environment["PATH"] == "/bin"
    assert not environment.keys() & {"AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "MINE"}


def test_the_emulator_starts_with_iam_off_unless_told() -> None:
    assert process_environment(options_of(), {})["AUTH"] == "false"
