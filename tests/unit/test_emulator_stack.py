"""Web functions of a deployed stack: streams, processes, time-outs."""

import contextlib
import http.client
import os
import signal
import urllib.request
from typing import Any

import pytest

from tests.emulated import opened, parts_of
from tests.emulated_app import Deployed, eventually, running
from tests.emulated_stack import web_code


def release_at(process: dict[str, Any]) -> None:
    """Release the next part of a stream of a process that the API no longer sends requests to."""
    port = process["environment"]["AWS_LWA_PORT"]
    # After its last part the process may be ended before it has answered this call.
    with contextlib.suppress(OSError, http.client.HTTPException):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/release").close()


def test_each_part_of_a_stream_arrives_before_the_next_is_made(deployed: Deployed) -> None:
    parts = []
    with opened(deployed.emulator, deployed.path("stream"), method="POST", body=b"x") as response:
        for number in range(4):
            parts.append(response.read1(65536))  # would wait for ever if replies were buffered
            if number < 3:
                deployed.call("release")
        assert response.read1(65536) == b""
    assert parts == [f"data: one {number}\n\n".encode() for number in range(4)]


def test_a_process_killed_in_mid_stream_cuts_the_stream(deployed: Deployed) -> None:
    pid = deployed.call("echo").json()["pid"]
    with opened(deployed.emulator, deployed.path("stream"), method="POST", body=b"x") as response:
        assert response.read1(65536) == b"data: one 0\n\n"
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(http.client.IncompleteRead):
            list(parts_of(response))


def test_a_killed_process_is_replaced_at_the_next_request(deployed: Deployed) -> None:
    pid = deployed.call("echo").json()["pid"]
    os.kill(pid, signal.SIGKILL)
    reply = deployed.call("echo")
    assert reply.status == 200
    assert reply.json()["pid"] != pid


def test_new_code_serves_the_next_request_while_a_stream_ends_on_the_old(
    deployed: Deployed,
) -> None:
    functions = deployed.emulator.client("lambda")
    old = deployed.call("echo").json()
    with opened(deployed.emulator, deployed.path("stream"), method="POST", body=b"x") as response:
        parts = [response.read1(65536)]
        functions.update_function_code(FunctionName="web", ZipFile=web_code("two"))
        assert deployed.call("echo").json()["version"] == "two"
        for _ in range(3):
            release_at(old)
        parts += parts_of(response)
    assert b"".join(parts) == b"".join(b"data: one %d\n\n" % number for number in range(4))
    eventually(lambda: not running(old["pid"]))
    functions.update_function_code(FunctionName="web", ZipFile=web_code("one"))


def test_a_changed_environment_makes_a_new_process(deployed: Deployed) -> None:
    functions = deployed.emulator.client("lambda")
    old = deployed.call("echo").json()
    variables = functions.get_function_configuration(FunctionName="web")["Environment"]
    changed = variables["Variables"] | {"KIT_SETTING": "changed"}
    functions.update_function_configuration(FunctionName="web", Environment={"Variables": changed})
    new = deployed.call("echo").json()
    assert new["environment"]["KIT_SETTING"] == "changed"
    assert new["pid"] != old["pid"]


def test_a_function_goes_on_when_its_caller_leaves(deployed: Deployed) -> None:
    before = len(deployed.call("finished").json()["finished"])
    with opened(deployed.emulator, deployed.path("stream"), method="POST", body=b"x") as response:
        assert response.read1(65536)
    for _ in range(3):
        deployed.call("release")
    eventually(lambda: len(deployed.call("finished").json()["finished"]) == before + 1)


def test_the_time_out_of_the_function_cuts_its_stream(deployed: Deployed) -> None:
    reply = deployed.call("short", method="POST", body=b"x")
    assert (reply.status, reply.body, reply.complete) == (200, b"data: one 0\n\n", False)
    assert "Task timed out after 1.00 seconds" in deployed.emulator.log_lines("/aws/lambda/short")


def test_the_time_out_of_the_integration_is_a_504(deployed: Deployed) -> None:
    reply = deployed.call("late", method="POST", body=b"x")
    deployed.call("release")
    assert reply.status == 504
    assert reply.json()["error"]["message"] == "Endpoint request timed out"


def test_a_web_function_answers_whole_behind_a_buffered_integration(deployed: Deployed) -> None:
    reply = deployed.call("whole")
    assert (reply.status, reply.json()) == (200, {"ready": True})


def test_a_buckets_tags_are_those_of_its_template(deployed: Deployed) -> None:
    answer = deployed.emulator.client("s3").get_bucket_tagging(Bucket="bucket-of-the-tests")
    assert {"Key": "kit:stage", "Value": "local"} in answer["TagSet"]


def test_a_deleted_functions_process_ends(deployed: Deployed) -> None:
    pid = deployed.call("doomed").json()["pid"]
    deployed.emulator.client("lambda").delete_function(FunctionName="doomed")
    eventually(lambda: not running(pid))
