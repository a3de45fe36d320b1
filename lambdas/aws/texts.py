"""Long texts of turns in S3: an item of DynamoDB holds 400 KB at most, and costs by its size."""

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.aws.faults import store_unavailable, translated
from lambdas.aws.table import Item
from lambdas.core.identity import Owner
from lambdas.core.turns import Turn

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A short answer stays in its item: one read. 32 KB is about 8,000 tokens.
INLINE_BYTES = 32_768
_NAMES = ("asked", "made")
# S3 tells only those who may list the whole bucket that an object is not there.
_ABSENT = {"NoSuchKey", "AccessDenied"}

log = logging.getLogger("kit")


class Texts:
    """Puts a text into the attribute `<name>`, or into the bucket and its key in `<name>_key`.

    Every object is written once, under a key of its own: a late write of a function that was
    thought dead changes nothing that someone reads. What no item names any more goes with its
    session, or, under `expiring/`, by the bucket's lifecycle rule.
    """

    def __init__(self, client: "Callable[[], S3Client]", *, bucket: str) -> None:
        """`client` is called at the first long text: most functions never see one."""
        self._client = client
        self._bucket = bucket

    def put(self, owner: Owner, turn: Turn, name: str, text: str) -> Item:
        """Store a text of `turn`; gives the attribute that holds or names it."""
        data = text.encode()
        if len(data) <= INLINE_BYTES:
            return {name: {"S": text}}
        object_key = f"{_folder(owner, turn)}{turn.id}/{name}-{uuid.uuid4().hex}.json"
        with translated():
            self._client().put_object(
                Bucket=self._bucket, Key=object_key, Body=data, ContentType="application/json"
            )
        return {f"{name}_key": {"S": object_key}}

    def get(self, item: Item, name: str) -> str | None:
        """The text; None where there is none, or no more: its session was deleted meanwhile."""
        if name in item:
            return str(item[name]["S"])
        if f"{name}_key" not in item:
            return None
        try:
            return self._stored(item[f"{name}_key"]["S"])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _ABSENT:
                raise
            gone = {"object_key": item[f"{name}_key"]["S"], "code": code}
            log.warning("a text is gone", extra=gone)
            return None

    def _stored(self, object_key: str) -> str:
        with translated():
            stored = self._client().get_object(Bucket=self._bucket, Key=object_key)
            return stored["Body"].read().decode()

    def drop(self, item: Item) -> None:
        """Delete the texts that the attributes of `item` name."""
        self._delete([item[f"{name}_key"]["S"] for name in _NAMES if f"{name}_key" in item])

    def drop_session(self, owner: Owner, session_id: str) -> None:
        """Delete every text of a session, those that no item names any more too."""
        pages = self._client().get_paginator("list_objects_v2")
        with translated():
            for page in pages.paginate(Bucket=self._bucket, Prefix=_kept(owner, session_id)):
                self._delete([stored["Key"] for stored in page.get("Contents", ())])

    def _delete(self, keys: Sequence[str]) -> None:
        if not keys:
            return
        batch: Any = [{"Key": key} for key in keys]
        with translated():
            reply = self._client().delete_objects(
                Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
            )
        if reply.get("Errors"):  # some are still there, though the call itself went well
            raise store_unavailable()


def _folder(owner: Owner, turn: Turn) -> str:
    if turn.session_id is None:
        return f"turns/expiring/{owner.sub}/"
    return _kept(owner, turn.session_id)


def _kept(owner: Owner, session_id: str) -> str:
    return f"turns/kept/{owner.sub}/{session_id}/"
