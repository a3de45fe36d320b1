"""The Api stack: routes, the functions behind them, and what each function may do."""

from pathlib import Path

from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk import names, policies
from cdk.config import DeployConfig
from cdk.findings import acknowledge_resource
from cdk.functions import ADAPTER_ENV, KitFunction, KitLayer, adapter_layer
from cdk.rest import KitRestApi
from cdk.stack import KitStack
from lambdas.core.catalogue import ModelEntry
from lambdas.core.settings import Settings


class ApiStack(KitStack):
    """Everything between a caller and the data: nothing here is lost when it is deleted."""

    def __init__(
        self,
        scope: Construct,
        config: DeployConfig,
        entries: list[ModelEntry],
        *,
        layers: Path,
    ) -> None:
        super().__init__(scope, "Api", config)
        self._entries = entries
        self._key = self.stage_key()
        self._settings = Settings(
            app=config.app,
            stage=config.stage,
            table_name=names.table_name(config),
            text_bucket_name=names.text_bucket_name(config),
            models=config.models,
            tokens_per_day=config.tokens_per_day,
            concurrent_streams=config.concurrent_streams,
            completion_ttl_days=config.completion_ttl_days,
        )
        self._layer = KitLayer(self, "ChatLayer", layer="chat", config=config, built=layers)
        rest = KitRestApi(
            self, "Rest", config=config, user_pool=self._user_pool(), log_key=self._key
        )
        self._route(rest)
        self.output("ApiId", rest.api.rest_api_id)
        self.output("ApiStageName", rest.api.deployment_stage.stage_name)
        self.output("ApiUrl", rest.api.url)

    def _route(self, rest: KitRestApi) -> None:
        models = self._plain_function("Models", policies.MODELS)
        sessions = self._plain_function("Sessions", policies.SESSIONS)
        rest.route(
            "POST", "/v1/chat/completions", self._chat(), stream_s=self.config.chat_timeout_s
        )
        rest.route("DELETE", "/v1/chat/completions/{completion_id}", sessions)
        rest.route("GET", "/v1/models", models)
        rest.route("GET", "/v1/models/{model_id}", models)
        rest.route("GET", "/v1/sessions", sessions)
        rest.route("GET", "/v1/sessions/{session_id}", sessions)
        rest.route("DELETE", "/v1/sessions/{session_id}", sessions)

    def _chat(self) -> lambda_.Function:
        """The streaming function: a web server that the adapter starts and calls."""
        return self._function(
            "Chat",
            policies.CHAT,
            handler="lambdas/functions/chat.sh",
            layers=[adapter_layer(self, self.config), self._layer],
            environment={**ADAPTER_ENV, **self._settings.to_env()},
            timeout_s=self.config.chat_timeout_s,
            memory_mb=self.config.chat_memory_mb,
        )

    def _plain_function(self, id: str, access: policies.Access) -> lambda_.Function:
        return self._function(
            id,
            access,
            handler=f"lambdas.functions.{id.lower()}.handler",
            layers=[self._layer],
            environment=self._settings.to_env(),
        )

    def _function(
        self,
        id: str,
        access: policies.Access,
        *,
        handler: str,
        layers: list[lambda_.ILayerVersion],
        environment: dict[str, str],
        timeout_s: int = 29,
        memory_mb: int = 512,
    ) -> lambda_.Function:
        made = KitFunction(
            self,
            id,
            config=self.config,
            handler=handler,
            layers=layers,
            environment=environment,
            statements=policies.statements(access, self, self._entries, key=self._key),
            timeout_s=timeout_s,
            memory_mb=memory_mb,
            log_key=self._key,
        )
        if access.texts:
            acknowledge_resource(
                made,
                policies.texts_arn(self.config),
                "The keys of long texts hold the turn's id, which no policy can know.",
            )
        return made.function

    def _user_pool(self) -> cognito.IUserPool:
        arn = self.parameter(names.user_pool_parameter(self.config))
        return cognito.UserPool.from_user_pool_arn(self, "Users", arn)
