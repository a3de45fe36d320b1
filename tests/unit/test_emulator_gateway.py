"""A deployed REST API: its errors, tokens, headers and logs; what its functions see and say."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from tests.emulated import call
from tests.emulated_app import SIX_MIB, Deployed


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
    deployed: Deployed, function_python: Path, path: str
) -> None:
    reply = deployed.call(path)
    document = reply.json()
    seen = document["environment"] if path == "echo" else document
    interpreter = document["python"] if path == "echo" else reply.headers["x-python"]
    assert interpreter == str(function_python)
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


def test_without_iam_everything_may_be_done(deployed: Deployed) -> None:
    question = "access_key=x&action=sagemaker:InvokeEndpoint&resource=arn:aws:sagemaker:us:1:e/x"
    answer = call(deployed.emulator, f"/_kit/authorize?{question}")
    assert answer.json() == {"allowed": True}
    assert call(deployed.emulator, "/_kit/authorize?access_key=x").status == 400
