"""GET /v1/models and GET /v1/models/{model_id}: what is up in this stage."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.event_handler import Response

from lambdas.core.api_objects import ModelList, ModelObject
from lambdas.core.catalogue import ModelEntry
from lambdas.core.chat_rules import entry_for
from lambdas.functions.rest import Event, Rest
from lambdas.wiring import services

app = Rest()


@app.get("/v1/models")
def list_models() -> Response[str]:
    data = [_model_object(entry) for entry in services().models.values()]
    page: ModelList = {"object": "list", "data": data}
    return app.ok(page)


@app.get("/v1/models/<model_id>")
def get_model(model_id: str) -> Response[str]:
    return app.ok(_model_object(entry_for(services().models, model_id)))


def handler(event: Event, context: Any) -> Any:
    return app.resolve(event, context)


def _model_object(entry: ModelEntry) -> ModelObject:
    released = datetime.combine(entry.released_on, datetime.min.time(), tzinfo=UTC)
    return {
        "id": entry.id,
        "object": "model",
        "created": int(released.timestamp()),
        "owned_by": entry.family,
        "kit": {"context_tokens": entry.context_tokens, "tools": entry.tools, "task": entry.task},
    }
