"""Runs plain functions in the clean interpreter and reports their errors as AWS does."""

from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from scripts.local.emulator.functions import FunctionHost, ProcessStarter, with_aws_error


def install(host: FunctionHost) -> None:
    script = host.worker_script
    detect = lambda_runtime._detect_runtime_binary

    def detect_runtime_binary(runtime: str) -> tuple[str, str]:
        if runtime.startswith("python"):
            return str(host.python), script
        binary, other_script = detect(runtime)
        return binary, other_script

    lambda_runtime._detect_runtime_binary = detect_runtime_binary
    lambda_runtime.subprocess = ProcessStarter(host)
    execute = lambda_svc._execute_function_warm

    def execute_function_warm(
        func: dict[str, Any], event: dict[str, Any], request_id: str
    ) -> dict[str, Any]:
        return with_aws_error(execute(func, event, request_id))

    lambda_svc._execute_function_warm = execute_function_warm
