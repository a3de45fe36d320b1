"""The emulator as a process: a deployed stack called through its API Gateway."""

import base64
import contextlib
import http.client
import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from botocore.exceptions import ClientError

from tests.emulated import Emulator, Reply, bare_interpreter, call, opened, parts_of
from tests.emulated_stack import application, upload_code, web_code

PASSWORD = "Correct-horse-7"
SIX_MIB = 6 * 1024 * 1024


@dataclass(frozen=True)
class Deployed:
    """The stack of the tests, and how to call it."""

    emulator: Emulator
    outputs: dict[str, str]

    def path(self, path: str) -> str:
        return f"/_aws/execute-api/{self.outputs['Api']}/v/{path}"

    def call(self, path: str, **options: Any) -> Reply:
        return call(self.emulator, self.path(path), **options)

    def tokens(self, pool: str) -> dict[str, str]:
        users = self.emulator.client("cognito-idp")
        pool_id, client_id = self.outputs[pool], self.outputs[f"{pool}Client"]
        name = {"Username": "ana", "UserPoolId": pool_id}
        if not users.list_users(UserPoolId=pool_id)["Users"]:
            users.admin_create_user(**name, MessageAction="SUPPRESS")
            users.admin_set_user_password(**name, Password=PASSWORD, Permanent=True)
        answer = users.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "ana", "PASSWORD": PASSWORD},
        )
        tokens: dict[str, str] = answer["AuthenticationResult"]
        return tokens


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare_interpreter(tmp_path_factory.mktemp("functions"))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Iterator[Deployed]:
    emulator = Emulator(tmp_path_factory.mktemp("emulator"), python)
    emulator.start()
    try:
        upload_code(emulator)
        yield Deployed(emulator, emulator.deploy("tests", application()))
    finally:
        emulator.kill()


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come true"
        time.sleep(0.05)


def release_at(process: dict[str, Any]) -> None:
    """Release the next part of a stream of a process that the API no longer sends requests to."""
    port = process["environment"]["AWS_LWA_PORT"]
    # After its last part the process may be ended before it has answered this call.
    with contextlib.suppress(OSError, http.client.HTTPException):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/release").close()


def running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


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


def test_path_and_query_reach_the_function(deployed: Deployed) -> None:
    assert deployed.call("echo?a=1&a=2&b=%C3%A9").json()["path"] == "/echo?a=1&a=2&b=%C3%A9"


def test_one_request_id_is_in_the_reply_the_context_and_the_log(deployed: Deployed) -> None:
    reply = deployed.call("echo")
    headers = reply.json()["headers"]
    context = json.loads(headers["x-amzn-request-context"])
    request_id = reply.headers["x-amzn-requestid"]
    assert context["requestId"] == request_id
    assert json.loads(headers["x-amzn-lambda-context"])["request_id"] == request_id
    lines = deployed.emulator.log_lines("/aws/lambda/web")
    assert any(line.startswith(f"START RequestId: {request_id}") for line in lines)


def test_a_bodys_limit_is_six_mebibytes(deployed: Deployed) -> None:
    fits = deployed.call("count", method="POST", body=b"x" * SIX_MIB)
    assert fits.json() == {"length": SIX_MIB}
    too_long = deployed.call("count", method="POST", body=b"x" * (SIX_MIB + 1))
    assert too_long.status == 413
    assert too_long.json()["error"]["message"] == "Request Too Long"


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("nothing", 404, "Missing Authentication Token"),
        ("mine", 401, "Unauthorized"),
        ("never", 429, "Too Many Requests"),
        ("fail", 502, "Internal server error"),
        ("broken", 502, "Internal server error"),
        ("mute", 502, "Internal server error"),
        ("no-x", 502, "Internal server error"),
    ],
)
def test_errors_of_the_gateway_have_the_shape_of_their_template(
    deployed: Deployed, path: str, status: int, message: str
) -> None:
    reply = deployed.call(path)
    error = {"message": message, "id": reply.headers["x-amzn-requestid"]}
    assert (reply.status, reply.json()) == (status, {"error": error})
    assert reply.headers["x-amzn-errortype"].endswith("Exception")


@pytest.mark.parametrize(
    ("function", "line"),
    [
        ("mute", "cannot go on"),
        ("mute", "run.sh ended with exit status 3"),
        ("no-x", "run.sh cannot be started: Permission denied"),
        ("plain", "asked for /plain"),
        ("plain", "KeyError: 'no such thing'"),
        ("broken", "Unable to import module 'broken': No module named 'nowhere_to_be_found'"),
    ],
)
def test_a_function_says_in_its_log_group_what_happened(
    deployed: Deployed, function: str, line: str
) -> None:
    for path in (function, "fail"):
        deployed.call(path)
    assert line in "\n".join(deployed.emulator.log_lines(f"/aws/lambda/{function}"))


def test_an_import_error_is_the_invocations_answer(deployed: Deployed) -> None:
    answer = deployed.emulator.client("lambda").invoke(FunctionName="broken", Payload=b"{}")
    error = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "nowhere_to_be_found" in error["errorMessage"]


@pytest.mark.parametrize("path", ["plain", "echo"])
def test_functions_see_their_own_settings_and_nothing_of_the_host(
    deployed: Deployed, python: Path, path: str
) -> None:
    reply = deployed.call(path)
    document = reply.json()
    seen = document["environment"] if path == "echo" else document
    interpreter = document["python"] if path == "echo" else reply.headers["x-python"]
    assert interpreter == str(python)
    assert seen["AWS_ENDPOINT_URL"] == deployed.emulator.url
    assert seen["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] == "http://127.0.0.1:9"
    assert seen["AWS_REGION"] == "us-east-1"
    forbidden = {"SECRET_OF_THE_HOST", "AWS_PROFILE", "STATE_DIR", "AUTH", "PYTHONPATH"}
    allowed = {"PYTHONPATH"} if path == "echo" else set()  # set by the handler's own script
    assert not seen.keys() & (forbidden - allowed)


def test_a_signed_in_caller_is_named_in_the_context_and_cannot_be_forged(
    deployed: Deployed,
) -> None:
    token = deployed.tokens("Pool")["IdToken"]
    forged = json.dumps({"authorizer": {"claims": {"sub": "somebody else"}}})
    headers = {"authorization": f"Bearer {token}", "X-Amzn-Request-Context": forged}
    seen = deployed.call("mine", headers=headers).json()["headers"]
    claims = json.loads(seen["x-amzn-request-context"])["authorizer"]["claims"]
    assert claims["sub"] == jwt.decode(token, options={"verify_signature": False})["sub"]
    without_sign_in = deployed.call("echo", headers=headers).json()["headers"]
    assert "authorizer" not in json.loads(without_sign_in["x-amzn-request-context"])


def altered(token: str) -> str:
    head, claims, signature = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    changed = base64.urlsafe_b64encode(json.dumps(read | {"sub": "other"}).encode())
    return f"{head}.{changed.decode().rstrip('=')}.{signature}"


def unsigned(token: str) -> str:
    head, claims, _signature = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    none = base64.urlsafe_b64encode(json.dumps(read | {"alg": "none"}).encode())
    return f"{none.decode().rstrip('=')}.{claims}."


def expired(deployed: Deployed, token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    keys = (deployed.emulator.folder / "state" / "cognito-pool-keys").glob("*-id.pem")
    past = claims | {"exp": int(time.time()) - 10, "iat": int(time.time()) - 20}
    for key in keys:
        signed = jwt.encode(claims, key.read_bytes(), "RS256", headers={"kid": header["kid"]})
        if deployed.call("mine", headers={"authorization": signed}).status == 200:
            return jwt.encode(past, key.read_bytes(), "RS256", headers={"kid": header["kid"]})
    raise AssertionError("no key of the emulator signs tokens of this pool")


@pytest.mark.parametrize(
    "kind", ["garbage", "altered", "unsigned", "other pool", "access token", "expired"]
)
def test_a_wrong_token_is_refused(deployed: Deployed, kind: str) -> None:
    token = deployed.tokens("Pool")["IdToken"]
    makers: dict[str, Callable[[], str]] = {
        "garbage": lambda: "no.token.atall",
        "altered": lambda: altered(token),
        "unsigned": lambda: unsigned(token),
        "other pool": lambda: deployed.tokens("OtherPool")["IdToken"],
        "access token": lambda: deployed.tokens("Pool")["AccessToken"],
        "expired": lambda: expired(deployed, token),
    }
    wrong = makers[kind]()
    for prefix in ("", "Bearer "):
        reply = deployed.call("mine", headers={"authorization": f"{prefix}{wrong}"})
        assert reply.status == 401
        assert reply.json()["error"]["message"] == "Unauthorized"


def test_the_access_log_has_a_line_for_each_call(deployed: Deployed) -> None:
    token = deployed.tokens("Pool")["IdToken"]
    streamed = deployed.call("mine", headers={"authorization": token})
    refused = deployed.call("mine")
    lines = [json.loads(line) for line in deployed.emulator.log_lines("access-of-the-tests")]
    by_id = {line["id"]: line for line in lines}
    good, bad = (by_id[reply.headers["x-amzn-requestid"]] for reply in (streamed, refused))
    assert (good["status"], good["length"]) == ("200", str(len(streamed.body)))
    assert good["sub"] == jwt.decode(token, options={"verify_signature": False})["sub"]
    assert (bad["status"], bad["sub"], bad["error"]) == ("401", "-", "UNAUTHORIZED")


def test_a_buckets_tags_are_those_of_its_template(deployed: Deployed) -> None:
    answer = deployed.emulator.client("s3").get_bucket_tagging(Bucket="bucket-of-the-tests")
    assert {"Key": "kit:stage", "Value": "local"} in answer["TagSet"]


def test_a_deleted_functions_process_ends(deployed: Deployed) -> None:
    pid = deployed.call("doomed").json()["pid"]
    deployed.emulator.client("lambda").delete_function(FunctionName="doomed")
    eventually(lambda: not running(pid))


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Iterator[Deployed]:
    """A stack of its own, for tests that stop its emulator."""
    emulator = Emulator(tmp_path_factory.mktemp("restarted"), python)
    emulator.start()
    try:
        upload_code(emulator)
        yield Deployed(emulator, emulator.deploy("tests", application()))
    finally:
        emulator.kill()


def newest_snapshot(emulator: Emulator, service: str) -> bytes:
    folder = emulator.folder / "state" / "snapshots"
    newest = max(path for path in folder.iterdir() if path.name.isdigit())
    try:
        return (newest / f"{service}.json").read_bytes()
    except FileNotFoundError:  # a newer one has just taken its place
        return b""


def test_state_survives_a_stop(restarted: Deployed) -> None:
    emulator = restarted.emulator
    model = {"ModelName": "kept", "PrimaryContainer": {"Image": "image:1"}}
    emulator.client("sagemaker").create_model(**model)
    pid = restarted.call("echo").json()["pid"]
    emulator.stop()
    assert not running(pid)
    emulator.start()
    assert emulator.client("sagemaker").describe_model(ModelName="kept")["ModelName"] == "kept"
    assert restarted.call("echo").json()["version"] == "one"


def test_state_survives_a_kill_up_to_the_last_snapshot(restarted: Deployed) -> None:
    emulator = restarted.emulator
    pid = restarted.call("echo").json()["pid"]
    emulator.client("s3").create_bucket(Bucket="made-before-the-kill")
    eventually(lambda: b"made-before-the-kill" in newest_snapshot(emulator, "s3"))
    emulator.kill()
    eventually(lambda: not running(pid))  # web processes die with the emulator
    emulator.start()
    assert emulator.client("s3").head_bucket(Bucket="made-before-the-kill")
    assert restarted.call("echo").json()["version"] == "one"


def test_with_iam_enforced_a_function_has_the_rights_of_its_role(restarted: Deployed) -> None:
    emulator = restarted.emulator
    emulator.stop()
    emulator.flags += ("--enforce-iam",)
    emulator.start()
    environment = restarted.call("echo").json()["environment"]
    storage = boto3.client(
        "s3",
        endpoint_url=emulator.url,
        region_name="us-east-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment["AWS_SESSION_TOKEN"],
    )
    with pytest.raises(ClientError, match="AccessDenied"):  # the function's role grants nothing
        storage.list_buckets()
    usage = (emulator.folder / "state" / "iam-usage.jsonl").read_text().splitlines()
    (use,) = map(json.loads, usage)
    assert (use["action"], use["allowed"]) == ("s3:ListAllMyBuckets", False)
    assert use["principal"].endswith("/web")
