"""Gives buckets of a stack the tags of their template, which the emulator's type drops."""

from collections.abc import Callable
from typing import Any

from ministack.services import s3
from ministack.services.cloudformation import provisioners

Json = dict[str, Any]
BUCKET = "AWS::S3::Bucket"


def install() -> None:
    handlers = provisioners._RESOURCE_HANDLERS[BUCKET]
    for step in ("create", "update"):
        handlers[step] = _tagging(handlers[step])
    provisioners._STACK_TAG_PROPERTY[BUCKET] = ("Tags", "list")


def _tagging(provision: Callable[..., tuple[str, Json]]) -> Callable[..., tuple[str, Json]]:
    def provision_and_tag(*arguments: Any) -> tuple[str, Json]:
        name, attributes = provision(*arguments)
        *_, properties, _stack_name = arguments
        tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}
        if tags:
            s3._bucket_tags[name] = tags
        else:
            s3._bucket_tags.pop(name, None)
        return name, attributes

    return provision_and_tag
