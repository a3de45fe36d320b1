"""The routes of the OpenAPI document, as the end-to-end tests walk them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "openapi.json").read_text()
)


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    needs_token: bool
    in_path: tuple[str, ...]
    in_query: tuple[str, ...]
    has_body: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def with_ids(self, ids: Mapping[str, str]) -> str:
        """The path with an id in each place; a name stands for itself where none is given."""
        path = self.path
        for name in self.in_path:
            path = path.replace(f"{{{name}}}", quote(ids.get(name, name), safe=""))
        return path


def _route(path: str, method: str, operation: dict[str, Any]) -> Route:
    parameters = operation.get("parameters", [])
    return Route(
        method=method.upper(),
        path=path,
        needs_token=operation.get("security") != [],
        in_path=tuple(p["name"] for p in parameters if p["in"] == "path"),
        in_query=tuple(p["name"] for p in parameters if p["in"] == "query"),
        has_body="requestBody" in operation,
    )


ROUTES = [
    _route(path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
GUARDED = [route for route in ROUTES if route.needs_token]
