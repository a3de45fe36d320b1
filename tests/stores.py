"""The stores under contract: in memory, on moto's DynamoDB, and on a running laptop cloud."""

import functools
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from lambdas.aws.sessions import DynamoSessions
from lambdas.aws.table import Table
from lambdas.aws.texts import Texts
from lambdas.aws.turn_items import TurnItems
from lambdas.aws.turns import DynamoTurns
from lambdas.core.turns import SessionStore, TurnStore
from tests.fakes import MemoryStore

EMULATOR_URL = os.environ.get("KIT_TEST_EMULATOR_URL")
INDEX = "gsi1"
_COUNTERS = ("Q#",)


@dataclass
class Stores:
    """Both ports over the same data, and what they have left behind in it."""

    turns: TurnStore
    sessions: SessionStore
    leftovers: Callable[[], list[str]]


@dataclass
class Cloud:
    """A table and a bucket as the Data stack makes them, and the clients that reach them."""

    dynamodb: Any
    s3: Any
    table: str
    bucket: str

    def stores(self) -> Stores:
        table = Table(self.dynamodb, self.table)
        texts = Texts(lambda: self.s3, bucket=self.bucket)
        items = TurnItems(texts)
        return Stores(
            DynamoTurns(table, items), DynamoSessions(table, items, texts), self.leftovers
        )

    def leftovers(self) -> list[str]:
        """Keys of items but counters, and of texts."""
        found = self.dynamodb.scan(TableName=self.table, ConsistentRead=True)["Items"]
        names = [item["sk"]["S"] for item in found]
        objects = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        kept = [name for name in names if not name.startswith(_COUNTERS)]
        return sorted([*kept, *(o["Key"] for o in objects)])

    def empty(self) -> None:
        """Remove every item and every text."""
        for item in self.dynamodb.scan(TableName=self.table)["Items"]:
            place = {name: item[name] for name in ("pk", "sk")}
            self.dynamodb.delete_item(TableName=self.table, Key=place)
        for stored in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", ()):
            self.s3.delete_object(Bucket=self.bucket, Key=stored["Key"])


@contextmanager
def memory_stores() -> Iterator[Stores]:
    store = MemoryStore()
    yield Stores(store, store, lambda: [] if store.is_empty else ["a turn"])


@contextmanager
def moto_cloud() -> Iterator[Cloud]:
    with mock_aws():
        yield _new_cloud(None)


@contextmanager
def moto_stores() -> Iterator[Stores]:
    with moto_cloud() as cloud:
        yield cloud.stores()


@contextmanager
def emulator_stores() -> Iterator[Stores]:
    cloud = _new_cloud(EMULATOR_URL)
    try:
        yield cloud.stores()
    finally:
        cloud.dynamodb.delete_table(TableName=cloud.table)


def every_store() -> list[Any]:
    """Parameters for a fixture that opens each store; the emulator only where one is named."""
    stores = [pytest.param(memory_stores, id="memory"), pytest.param(moto_stores, id="moto")]
    return [*stores, pytest.param(emulator_stores, id="emulator")] if EMULATOR_URL else stores


# What a parameter of `every_store` is.
Opened = Callable[[], AbstractContextManager[Stores]]


def _new_cloud(endpoint_url: str | None) -> Cloud:
    name = f"kit-test-{uuid.uuid4().hex[:12]}"
    cloud = Cloud(_client("dynamodb", endpoint_url), _client("s3", endpoint_url), name, name)
    _create_table(cloud.dynamodb, name)
    cloud.s3.create_bucket(Bucket=name)
    return cloud


@functools.cache
def _client(service: str, endpoint_url: str | None) -> Any:
    """Make a client, and the same one again: each costs a third of a second."""
    make: Any = boto3.client
    one_try = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return make(service, endpoint_url=endpoint_url, region_name="us-east-1", config=one_try)


def _create_table(dynamodb: Any, name: str) -> None:
    """Make the table as cdk/data.py does."""
    keys = ("pk", "sk", "gsi1pk", "gsi1sk")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=_schema("pk", "sk"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": INDEX,
                "KeySchema": _schema("gsi1pk", "gsi1sk"),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]
