"""Runs one function's handler, in the functions' own interpreter: standard library only.

Sent as text to the interpreter that the emulator starts. One JSON line in tells what to load, then
each line in is an invocation and each line out its result. What the handler prints goes to stderr,
which the emulator copies to the function's log group.
"""

import importlib
import json
import logging
import os
import site
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

ERROR_MARK = "\x1ffunction-error:"  # what follows in an error text is AWS's error object as JSON
request_id = ""


class AwsFormatter(logging.Formatter):
    """The line format of Lambda's own root handler."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )

    def format(self, record: logging.LogRecord) -> str:
        record.aws_request_id = request_id
        return super().format(record)


def install_logging() -> None:
    """Give the root logger the handler that Lambda gives it (its level stays WARNING)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AwsFormatter())
    logging.getLogger().addHandler(handler)


def add_paths(code_dir: str, layer_dirs: str) -> None:
    """Put the code first and each layer's `python` folder behind it, as Lambda orders them."""
    folders = [Path(layer, "python") for layer in layer_dirs.split(os.pathsep) if layer]
    sys.path[1:1] = [str(folder) for folder in folders]
    for folder in folders:
        for packages in folder.glob("lib/python*/site-packages"):
            site.addsitedir(str(packages))
    sys.path[0] = code_dir


def error_text(error: BaseException, error_type: str, message: str) -> str:
    """The error object of AWS, to be found behind the mark."""
    frames = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    payload = {
        "errorMessage": message,
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": frames,
    }
    return ERROR_MARK + json.dumps(payload)


def load(init: dict[str, Any]) -> Any:
    module = importlib.import_module(init["module"])
    return getattr(module, init["handler"])


def failed_load(error: BaseException, init: dict[str, Any]) -> dict[str, Any]:
    name = init["module"]
    if isinstance(error, ImportError):
        kind, message = "Runtime.ImportModuleError", f"Unable to import module '{name}': {error}"
    elif isinstance(error, AttributeError) and init["handler"] in str(error):
        kind = "Runtime.HandlerNotFound"
        message = f"Handler '{init['handler']}' missing on module '{name}'"
    else:
        kind, message = type(error).__name__, str(error)
    traceback.print_exception(error)
    return {"status": "error", "error": error_text(error, kind, message)}


def context_of(init: dict[str, Any], call: dict[str, Any]) -> SimpleNamespace:
    deadline_s = time.time() + call.get("timeout_ms", 3000) / 1000
    name = init["function_name"]
    return SimpleNamespace(
        aws_request_id=request_id,
        client_context=None,
        function_name=name,
        function_version=os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        get_remaining_time_in_millis=lambda: max(0, int((deadline_s - time.time()) * 1000)),
        identity=None,
        invoked_function_arn=call.get("invoked_function_arn", init["arn"]),
        log_group_name=os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", f"/aws/lambda/{name}"),
        log_stream_name=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
        memory_limit_in_mb=str(init["memory"]),
    )


def invoke(handler: Any, init: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    global request_id  # noqa: PLW0603 - the log formatter reads it from anywhere in the function
    call = message.get("ctx") or {}
    request_id = call.get("request_id", "")
    if call.get("trace_id"):
        os.environ["_X_AMZN_TRACE_ID"] = call["trace_id"]
    try:
        result = handler(message["event"], context_of(init, call))
        json.dumps(result)
    except Exception as error:
        kind = type(error).__name__
        detail = "".join(traceback.format_exception(error)).rstrip()
        trace = f"[ERROR] {kind}: {error}\n{detail}"
        return {"status": "error", "error": error_text(error, kind, str(error)), "trace": trace}
    return {"status": "ok", "result": result}


def serve(lines: TextIO, replies: TextIO) -> None:
    def reply(answer: dict[str, Any]) -> None:
        replies.write(json.dumps(answer) + "\n")
        replies.flush()

    init = json.loads(lines.readline())
    add_paths(init["code_dir"], os.environ.get("_LAMBDA_LAYERS_DIRS", ""))
    install_logging()
    try:
        handler = load(init)
    except Exception as error:
        reply(failed_load(error, init))
        return
    reply({"status": "ready", "cold": True})
    for line in lines:
        answer = invoke(handler, init, json.loads(line))
        sys.stderr.flush()
        reply(answer)


if __name__ == "__main__":
    real_stdout, sys.stdout = sys.stdout, sys.stderr
    serve(sys.stdin, real_stdout)
