"""The base of every value that the kit itself writes: frozen, and a typo is an error."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Immutable; an unknown key is an error: a typo must never become a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
