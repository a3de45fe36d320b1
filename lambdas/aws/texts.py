"""Long texts of turns in S3: an item of DynamoDB holds 400 KB at most, and costs by its size."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lambdas.core.identity import Owner

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A short answer stays in its item: one read. 32 KB is about 8,000 tokens.
INLINE_BYTES = 32_768
# What one call of DeleteObjects takes.
_DELETE_AT_ONCE = 1_000


class Texts:
    """Puts a text into the attribute `<name>`, or into the bucket and its key in `<name>_key`."""

    def __init__(self, client: "Callable[[], S3Client]", *, bucket: str) -> None:
        """`client` is called at the first long text: most functions never see one."""
        self._client = client
        self._bucket = bucket

    def put(self, owner: Owner, place: str, name: str, text: str) -> dict[str, Any]:
        """Store a text of `place`, the same one again at the same place; gives the attribute."""
        data = text.encode()
        if len(data) <= INLINE_BYTES:
            return {name: {"S": text}}
        object_key = f"turns/{owner.sub}/{place}/{name}.json"
        self._client().put_object(
            Bucket=self._bucket, Key=object_key, Body=data, ContentType="application/json"
        )
        return {f"{name}_key": {"S": object_key}}

    def get(self, item: dict[str, Any], name: str) -> str | None:
        if name in item:
            return str(item[name]["S"])
        if f"{name}_key" not in item:
            return None
        stored = self._client().get_object(Bucket=self._bucket, Key=item[f"{name}_key"]["S"])
        return stored["Body"].read().decode()

    def delete(self, keys: Iterable[str]) -> None:
        names = list(keys)
        for start in range(0, len(names), _DELETE_AT_ONCE):
            batch: Any = [{"Key": name} for name in names[start : start + _DELETE_AT_ONCE]]
            self._client().delete_objects(
                Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
            )
