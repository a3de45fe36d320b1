"""A deployed stack after its emulator was stopped, killed, or started with IAM enforced."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulated import Emulator, call
from tests.emulated_app import Deployed, eventually, running
from tests.emulated_stack import BUCKET, application, upload_code

OF_THE_BUCKET = {"Principal": "*", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
# What CDK's `enforce_ssl` and `minimum_tls_version` write. On loopback nothing is encrypted, and
# yet what AWS would let through must pass.
TLS_ONLY = {
    "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", **OF_THE_BUCKET},
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            **OF_THE_BUCKET,
        },
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
            **OF_THE_BUCKET,
        },
    ]
}


@pytest.fixture(scope="module")
def restarted(
    tmp_path_factory: pytest.TempPathFactory, function_python: Path
) -> Iterator[Deployed]:
    """A stack of its own, for tests that stop its emulator."""
    emulator = Emulator(tmp_path_factory.mktemp("restarted"), function_python)
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
    emulator.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(TLS_ONLY))
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
    assert storage.get_object(Bucket=BUCKET, Key="plain.zip")["Body"].read()
    endpoint = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/tiny"
    question = {"action": "sagemaker:InvokeEndpoint", "resource": endpoint}
    for key, allowed in ((environment["AWS_ACCESS_KEY_ID"], False), ("test", True)):
        query = urlencode({"access_key": key, **question})
        assert call(emulator, f"/_kit/authorize?{query}").json() == {"allowed": allowed}
    usage = (emulator.folder / "state" / "iam-usage.jsonl").read_text().splitlines()
    uses = [json.loads(line) for line in usage]
    assert [(use["action"], use["allowed"]) for use in uses] == [
        ("s3:ListAllMyBuckets", False),
        ("s3:GetObject", True),
        ("sagemaker:InvokeEndpoint", False),
    ]
    assert all(use["principal"].endswith("/web") for use in uses)
