"""What is deployed and what the OpenAPI document promises are the same routes."""

import json

from cdk.layers import ROOT
from tests.cdk.assembly import Assembly
from tests.cdk.test_api import routes


def test_the_api_has_the_routes_of_the_openapi_document(assembly: Assembly) -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    promised = {
        f"{method.upper()} {path}" for path, found in document["paths"].items() for method in found
    }
    deployed = {route for route in routes(assembly) if not route.startswith("OPTIONS ")}
    assert deployed == promised
