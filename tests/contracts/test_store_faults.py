"""The stores on DynamoDB and S3 when those are in distress: what passes is tried again."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from lambdas.core.errors import UnavailableError
from tests.aws_replies import Fault, broken, cancelled, refusal, reply, replying, xml_refusal
from tests.builders import ANA, WIDE, a_turn, user
from tests.stores import Cloud, Stores, moto_cloud

LONG = "x" * 40_000
THROTTLED = refusal("ProvisionedThroughputExceededException")
CONFLICT = cancelled("None", "TransactionConflict", "None", "None", "None")
OUT = {
    "throttled": THROTTLED,
    "too many requests": refusal("ThrottlingException"),
    "over the account's limit": refusal("RequestLimitExceeded"),
    "failing": refusal("InternalServerError", status=500),
    "out of reach": broken(EndpointConnectionError(endpoint_url="http://dynamodb")),
    "silent": broken(ReadTimeoutError(endpoint_url="http://dynamodb")),
}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with moto_cloud() as cloud:
        yield cloud


@pytest.fixture
def stores(cloud: Cloud) -> Stores:
    return cloud.stores()


def test_a_transaction_that_met_another_is_tried_again(cloud: Cloud, stores: Stores) -> None:
    turn = a_turn()
    with replying(cloud.dynamodb, "TransactWriteItems", [CONFLICT, CONFLICT]) as calls:
        stores.turns.start(ANA, turn, WIDE, keep=True)
    assert len(calls) == 3
    assert stores.turns.find(ANA, "t-0") == turn


@pytest.mark.parametrize("reason", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_with_a_throttled_step_is_tried_again(
    cloud: Cloud, stores: Stores, reason: str
) -> None:
    with replying(cloud.dynamodb, "TransactWriteItems", [cancelled("None", reason)]) as calls:
        stores.turns.start(ANA, a_turn(), WIDE, keep=True)
    assert len(calls) == 2


def test_a_transaction_that_always_meets_others_gives_up(cloud: Cloud, stores: Stores) -> None:
    with (
        replying(cloud.dynamodb, "TransactWriteItems", [CONFLICT] * 99),
        pytest.raises(UnavailableError) as refused,
    ):
        stores.turns.start(ANA, a_turn(), WIDE, keep=True)
    assert refused.value.code == "store_busy"
    assert refused.value.retry_after_s > 0
    assert stores.turns.find(ANA, "t-0") is None


@pytest.mark.parametrize("fault", OUT.values(), ids=OUT.keys())
def test_every_call_says_that_the_store_is_out(cloud: Cloud, stores: Stores, fault: Fault) -> None:
    turn = a_turn()
    stores.turns.start(ANA, turn, WIDE, keep=True)
    calls: dict[str, list[Callable[[], object]]] = {
        "TransactWriteItems": [
            lambda: stores.turns.start(ANA, a_turn("t-1", position=1), WIDE, keep=True),
            lambda: stores.turns.finish(ANA, turn, keep=True, tokens=1),
            lambda: stores.turns.abandon(ANA, turn, keep=True),
            lambda: stores.sessions.delete_session(ANA, "s"),
        ],
        "UpdateItem": [
            lambda: stores.turns.save(ANA, turn),
            lambda: stores.turns.request_stop(ANA, "t-0"),
        ],
        "GetItem": [
            lambda: stores.turns.find(ANA, "t-0"),
            lambda: stores.turns.stop_requested(ANA, "t-0"),
            lambda: stores.sessions.session(ANA, "s"),
        ],
        "Query": [
            lambda: list(stores.turns.newest_turns(ANA, "s")),
            lambda: stores.sessions.turns(ANA, "s", limit=1),
            lambda: stores.sessions.sessions(ANA, limit=1),
        ],
    }
    for operation, uses in calls.items():
        for use in uses:
            with (
                replying(cloud.dynamodb, operation, [fault] * 99),
                pytest.raises(UnavailableError),
            ):
                use()
    assert stores.turns.find(ANA, "t-0") == turn


def test_a_turn_stays_where_only_the_deletion_of_its_session_was_cut_off(
    cloud: Cloud, stores: Stores
) -> None:
    for position in range(2):
        turn = a_turn(f"t-{position}", position=position, messages=(user(LONG),))
        stores.turns.start(ANA, turn, WIDE, keep=True)
    with (
        replying(cloud.s3, "DeleteObjects", [xml_refusal("SlowDown")]),
        pytest.raises(UnavailableError),
    ):
        stores.sessions.delete_session(ANA, "s")
    assert stores.sessions.session(ANA, "s") is not None
    assert stores.sessions.delete_session(ANA, "s")
    assert stores.leftovers() == []


S3_OUT = {
    "throttled": xml_refusal("SlowDown"),
    "failing": xml_refusal("InternalError", status=500),
    "out of reach": broken(EndpointConnectionError(endpoint_url="http://s3")),
}


@pytest.mark.parametrize("fault", S3_OUT.values(), ids=S3_OUT.keys())
def test_a_long_text_says_that_the_store_is_out_too(
    cloud: Cloud, stores: Stores, fault: Fault
) -> None:
    turn = a_turn(messages=(user(LONG),))
    with replying(cloud.s3, "PutObject", [fault]), pytest.raises(UnavailableError):
        stores.turns.start(ANA, turn, WIDE, keep=True)
    stores.turns.start(ANA, turn, WIDE, keep=True)
    with replying(cloud.s3, "PutObject", [fault]), pytest.raises(UnavailableError):
        stores.turns.save(ANA, replace(turn, text=LONG))
    with replying(cloud.s3, "GetObject", [fault]), pytest.raises(UnavailableError):
        stores.turns.find(ANA, "t-0")
    assert stores.turns.find(ANA, "t-0") == turn


def test_a_turn_whose_long_texts_are_gone_is_read_without_them(
    cloud: Cloud, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    """Its session was deleted after its item had been read, or the bucket was tidied by hand."""
    stores.turns.start(ANA, a_turn(messages=(user(LONG),)), WIDE, keep=True)
    stores.turns.save(ANA, a_turn(text=LONG))
    for stored in cloud.s3.list_objects_v2(Bucket=cloud.bucket)["Contents"]:
        cloud.s3.delete_object(Bucket=cloud.bucket, Key=stored["Key"])
    turn = stores.turns.find(ANA, "t-0")
    assert turn is not None
    assert (turn.messages, turn.text) == ((), "")
    assert caplog.messages == ["a text is gone"] * 2


def test_a_text_that_is_gone_is_told_by_s3_as_one_that_may_not_be_read(
    cloud: Cloud, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    """The functions may not list the bucket, so S3 does not tell them what is absent."""
    stores.turns.start(ANA, a_turn(messages=(user(LONG),)), WIDE, keep=True)
    with replying(cloud.s3, "GetObject", [xml_refusal("AccessDenied", status=403)]):
        turn = stores.turns.find(ANA, "t-0")
    assert turn is not None
    assert turn.messages == ()
    assert caplog.messages == ["a text is gone"]


def test_a_session_stays_where_s3_could_not_delete_one_of_its_texts(
    cloud: Cloud, stores: Stores
) -> None:
    stores.turns.start(ANA, a_turn(messages=(user(LONG),)), WIDE, keep=True)
    part = b"<Error><Key>k</Key><Code>InternalError</Code></Error>"
    kept = reply(200, b"<DeleteResult>" + part + b"</DeleteResult>")
    with replying(cloud.s3, "DeleteObjects", [kept]), pytest.raises(UnavailableError):
        stores.sessions.delete_session(ANA, "s")
    assert stores.sessions.delete_session(ANA, "s")
    assert stores.leftovers() == []


def test_a_turn_begun_while_its_session_is_deleted_goes_with_it(
    cloud: Cloud, stores: Stores
) -> None:
    """It stands where the deleted one stood: the number of turns does not tell them apart."""

    def begin_another(request: object) -> AWSResponse:
        stores.turns.start(ANA, a_turn("t-new"), WIDE, keep=True)
        return reply(200, b"<ListBucketResult/>")(request)

    stores.turns.start(ANA, a_turn("t-0"), WIDE, keep=True)
    with replying(cloud.s3, "ListObjectsV2", [begin_another]):
        assert stores.sessions.delete_session(ANA, "s")
    assert stores.leftovers() == []


def test_a_fault_that_nobody_foresaw_keeps_its_trace(cloud: Cloud, stores: Stores) -> None:
    gone, denied = refusal("ResourceNotFoundException"), refusal("AccessDeniedException")
    with replying(cloud.dynamodb, "TransactWriteItems", [gone]), pytest.raises(ClientError):
        stores.turns.start(ANA, a_turn(), WIDE, keep=True)
    with replying(cloud.dynamodb, "UpdateItem", [denied]), pytest.raises(ClientError):
        stores.turns.save(ANA, a_turn())
