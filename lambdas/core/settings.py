"""Runtime settings of the functions: CDK writes them with `to_env`, wiring reads them back."""

import json
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, ValidationError

from lambdas.core.errors import ConfigurationError
from lambdas.core.strict import Strict

PREFIX = "KIT_"


class Settings(Strict):
    """What a function must know about its stage. Each field is the variable `KIT_<FIELD>`."""

    app: str = "kit"
    stage: str
    table_name: str
    text_bucket_name: str
    models: Annotated[tuple[str, ...], Field(description="Catalogue ids that this stage has up")]
    tokens_per_day: Annotated[int, Field(gt=0, description="Per user, prompt and reply")] = 200_000
    concurrent_streams: Annotated[int, Field(gt=0, description="Per user, running turns")] = 4
    completion_ttl_days: Annotated[int, Field(gt=0, description="Of turns without a session")] = 30

    def to_env(self) -> dict[str, str]:
        return {f"{PREFIX}{name.upper()}": _written(value) for name, value in self}

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the variables that `to_env` wrote; others in `env` are not looked at.

        Raises:
            ConfigurationError: a variable is missing or its value is not allowed.
        """
        found = {name: env.get(f"{PREFIX}{name.upper()}") for name in cls.model_fields}
        values = {name: _read(name, text) for name, text in found.items() if text is not None}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
            raise ConfigurationError("; ".join(faults)) from error


def _written(value: object) -> str:
    return json.dumps(value) if isinstance(value, tuple) else str(value)


def _read(name: str, text: str) -> object:
    if name != "models":
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{PREFIX}MODELS is {text!r}; a JSON list is expected") from error
