"""The composition root: settings in, services out. The only module that picks adapters."""

import functools
import os
from typing import TYPE_CHECKING, Any

from lambdas.core.catalogue import ModelEntry, entries_of
from lambdas.core.settings import Settings
from lambdas.core.turns import Limits, SessionStore, TurnStore

if TYPE_CHECKING:
    from lambdas.core.chat import ChatService

# A reply may pause while the model thinks, but a silent connection is a dead one. One retry, for a
# connection that died unseen while the function slept; each more could cost a generation more.
_MODEL_TIMEOUTS = {"connect_timeout": 2, "read_timeout": 120, "retries": {"total_max_attempts": 2}}
_STORE_TIMEOUTS = {
    "connect_timeout": 1,
    "read_timeout": 3,
    "retries": {"mode": "standard", "total_max_attempts": 4},
}


class Services:
    """What the functions use, made at first use and kept for the life of the process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @functools.cached_property
    def models(self) -> dict[str, ModelEntry]:
        return entries_of(self.settings.models)

    @functools.cached_property
    def chat(self) -> "ChatService":
        from lambdas.aws.sagemaker import SageMakerModels
        from lambdas.core.chat import ChatService

        settings = self.settings
        client = _client("sagemaker-runtime", **_MODEL_TIMEOUTS)
        return ChatService(
            self.models,
            SageMakerModels(client, name_prefix=f"{settings.app}-{settings.stage}-"),
            self.turns,
            Limits(settings.tokens_per_day, settings.concurrent_streams),
            completion_ttl_days=settings.completion_ttl_days,
        )

    @functools.cached_property
    def turns(self) -> TurnStore:
        from lambdas.aws.turns import DynamoTurns

        return DynamoTurns(self._table, self._turn_items)

    @functools.cached_property
    def sessions(self) -> SessionStore:
        from lambdas.aws.sessions import DynamoSessions

        return DynamoSessions(self._table, self._turn_items, self._texts)

    @functools.cached_property
    def _table(self) -> Any:
        from lambdas.aws.table import Table

        return Table(_client("dynamodb", **_STORE_TIMEOUTS), self.settings.table_name)

    @functools.cached_property
    def _turn_items(self) -> Any:
        from lambdas.aws.turn_items import TurnItems

        return TurnItems(self._texts)

    @functools.cached_property
    def _texts(self) -> Any:
        from lambdas.aws.texts import Texts

        client = functools.cache(lambda: _client("s3", **_STORE_TIMEOUTS))
        return Texts(client, bucket=self.settings.text_bucket_name)


@functools.cache
def services() -> Services:
    """The services of this process, from its environment."""
    return Services(Settings.from_env(os.environ))


@functools.cache
def _session() -> Any:
    """One for all clients, so that endpoints and credentials are read once."""
    from botocore.session import get_session

    return get_session()


def _client(service: str, **config: Any) -> Any:
    """A client as boto3 makes it, without the import of boto3, 4 % of a cold start.

    Checking our own parameters and composing the full user agent anew for each call would be a
    tenth of a chat's CPU; the types of `lambdas.aws` and its contract tests check them.
    """
    import botocore
    from botocore.config import Config

    lean: Any = {
        "parameter_validation": False,
        "user_agent": f"kit Botocore/{botocore.__version__}",
    }
    return _session().create_client(service, config=Config(**lean, **config))
