"""The one table: reads within an owner's partition, and transactions that are tried again."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.aws.faults import store_unavailable, translated
from lambdas.core.errors import KitError
from lambdas.core.identity import Owner

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ATTEMPTS = 8
_FIRST_PAUSE_S = 0.02
_PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

Item = dict[str, Any]


def written(value: str | int) -> dict[str, str]:
    """A text or a whole number as DynamoDB's wire format has it."""
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def item_of(**values: str | int | None) -> Item:
    """The attributes that have a value."""
    return {name: written(value) for name, value in values.items() if value is not None}


def text_in(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None


def number_in(item: Item, name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None


def partition(owner: Owner) -> str:
    return f"U#{owner.sub}"


def key(owner: Owner, sort_key: str) -> Item:
    return item_of(pk=partition(owner), sk=sort_key)


Refusals = Sequence[Callable[[], KitError] | None]
Steps = Sequence[dict[str, Any]]


class Table:
    """Reads and writes of one owner at a time; there is no way to read across owners."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self.client = client
        self.name = name

    def get(self, owner: Owner, sort_key: str, *, consistent: bool = True) -> Item | None:
        with translated():
            reply = self.client.get_item(
                TableName=self.name, Key=key(owner, sort_key), ConsistentRead=consistent
            )
        return reply.get("Item")

    def between(
        self, owner: Owner, first: str, last: str, *, newest_first: bool = False, page: int = 100
    ) -> Iterator[Item]:
        """Items with sort keys from `first` to `last`, read page by page as they are asked for."""
        query: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": item_of(
                **{":pk": partition(owner), ":first": first, ":last": last}
            ),
            "ScanIndexForward": not newest_first,
            "ConsistentRead": True,
            "Limit": page,
        }
        while True:
            with translated():
                reply = self.client.query(**query)
            yield from reply["Items"]
            if "LastEvaluatedKey" not in reply:
                return
            query["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    def commit(self, steps: Steps, refusals: Refusals = ()) -> None:
        """Carry out all steps or none.

        Args:
            steps: as `TransactWriteItems` takes them but for the table's name; 100 at most.
            refusals: what it means that the condition of the step at the same place does not hold.

        Raises:
            KitError: the refusal of the first step whose condition does not hold.
            UnavailableError: others were in the way for about 2 s, or DynamoDB is out.
        """
        named: Any = [
            {kind: {"TableName": self.name, **step[kind]} for kind in step} for step in steps
        ]
        for attempt in range(_ATTEMPTS):
            if attempt:
                # Full jitter: writers that collided once must not meet again.
                time.sleep(random.uniform(0, _FIRST_PAUSE_S * 2**attempt))  # noqa: S311 no secret
            try:
                with translated():
                    self.client.transact_write_items(TransactItems=named)
            except ClientError as error:
                _raise_unless_passing(error, refusals)
            else:
                return
        raise store_unavailable()


def _raise_unless_passing(error: ClientError, refusals: Refusals) -> None:
    response: dict[str, Any] = dict(error.response)
    reasons = response.get("CancellationReasons", ())
    codes = [reason.get("Code", "None") for reason in reasons]
    for code, refusal in zip(codes, refusals, strict=False):
        if code == "ConditionalCheckFailed" and refusal:
            raise refusal() from error
    if not _PASSING.intersection(codes):
        raise error
