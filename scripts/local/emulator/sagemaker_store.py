"""The SageMaker resources that exist, by account, region, kind and name."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

JsonObject = dict[str, Any]


class Kind(StrEnum):
    """A kind of resource; the value is its place in an ARN."""

    MODEL = "model"
    ENDPOINT_CONFIG = "endpoint-config"
    ENDPOINT = "endpoint"
    INFERENCE_COMPONENT = "inference-component"

    @property
    def words(self) -> str:
        """The kind as AWS spells it in an error message."""
        return {
            Kind.MODEL: "model",
            Kind.ENDPOINT_CONFIG: "endpoint configuration",
            Kind.ENDPOINT: "endpoint",
            Kind.INFERENCE_COMPONENT: "inference component",
        }[self]


class Scope(NamedTuple):
    """Where a caller works: resources of other accounts and regions do not exist for it."""

    account: str
    region: str

    def arn(self, kind: Kind, name: str) -> str:
        # AWS lower-cases names in SageMaker ARNs.
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"


class RequestRefusedError(Exception):
    """SageMaker refuses the call; the text is what the caller reads."""


@dataclass
class Resource:
    """One resource, with the properties it was made with."""

    kind: Kind
    name: str
    arn: str
    definition: JsonObject
    created_s: float
    modified_s: float
    tags: dict[str, str] = field(default_factory=dict)


class ResourceStore:
    """Keeps resources in memory; `dump` and `load` carry them over a restart."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._by_arn: dict[str, Resource] = {}

    def create(
        self, scope: Scope, kind: Kind, name: str, definition: JsonObject, tags: dict[str, str]
    ) -> Resource:
        arn = scope.arn(kind, name)
        if arn in self._by_arn:
            raise RequestRefusedError(f'Cannot create already existing {kind.words} "{arn}".')
        now_s = self._clock()
        resource = Resource(kind, name, arn, definition, now_s, now_s, tags)
        self._by_arn[arn] = resource
        return resource

    def get(self, scope: Scope, kind: Kind, name: str) -> Resource:
        return self.get_by_arn(scope.arn(kind, name), kind)

    def get_by_arn(self, arn: str, kind: Kind | None = None) -> Resource:
        resource = self._by_arn.get(arn)
        if resource is None:
            raise RequestRefusedError(
                f'Could not find {kind.words if kind else "resource"} "{arn}".'
            )
        return resource

    def update(self, resource: Resource, definition: JsonObject) -> None:
        resource.definition = definition
        resource.modified_s = self._clock()

    def delete(self, scope: Scope, kind: Kind, name: str) -> None:
        del self._by_arn[self.get(scope, kind, name).arn]

    def of_kind(self, scope: Scope, kind: Kind) -> Iterator[Resource]:
        prefix = scope.arn(kind, "")
        return (found for arn, found in self._by_arn.items() if arn.startswith(prefix))

    def clear(self) -> None:
        self._by_arn.clear()

    def dump(self) -> JsonObject:
        return {"resources": [asdict(resource) for resource in self._by_arn.values()]}

    def load(self, saved: JsonObject) -> None:
        for row in saved["resources"]:
            resource = Resource(**{**row, "kind": Kind(row["kind"])})
            self._by_arn[resource.arn] = resource
