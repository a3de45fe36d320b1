"""The REST API: stage, logs, authorizer, gateway responses and the health route."""

import json

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.config import DeployConfig
from cdk.gateway_responses import add_gateway_errors
from cdk.logs import log_group

_ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "sub": "$context.authorizer.claims.sub",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "error": "$context.error.responseType",
    "reply_bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_status": "$context.integration.status",
    "integration_latency_ms": "$context.integration.latency",
}


class KitRestApi(Construct):
    """A regional REST API; every route added with `route` asks for a token of the user pool."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: DeployConfig,
        user_pool: cognito.IUserPool,
        log_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, id)
        self._config = config
        self._log_key = log_key
        self.api = self._api()
        self._authorizer = apigateway.CognitoUserPoolsAuthorizer(
            self, "Users", cognito_user_pools=[user_pool]
        )
        add_gateway_errors(self.api)
        self._health()

    def route(
        self, method: str, path: str, function: lambda_.IFunction, *, stream_s: int | None = None
    ) -> None:
        """Let `function` answer; with `stream_s`, as it writes and for at most so long."""
        mode = apigateway.ResponseTransferMode
        integration = apigateway.LambdaIntegration(
            function,
            response_transfer_mode=mode.STREAM if stream_s else mode.BUFFERED,
            timeout=cdk.Duration.seconds(stream_s or 29),
            allow_test_invoke=False,
        )
        self.api.root.resource_for_path(path).add_method(
            method,
            integration,
            authorizer=self._authorizer,
            authorization_type=apigateway.AuthorizationType.COGNITO,
        )

    def _api(self) -> apigateway.RestApi:
        config = self._config
        api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=config.prefix,
            description=f"The public API of {config.prefix}",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=True,
            # One setting of the whole account and region: deleting a stage must not undo another's.
            cloud_watch_role_removal_policy=(
                cdk.RemovalPolicy.RETAIN if config.retain_data else cdk.RemovalPolicy.DESTROY
            ),
            default_cors_preflight_options=apigateway.CorsOptions(
                allow_origins=list(config.cors_origins),
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["Authorization", "*"],  # the wildcard leaves Authorization out
                expose_headers=["x-request-id", "retry-after"],
                max_age=cdk.Duration.hours(1),
            ),
            deploy_options=self._stage_options(),
        )
        api.node.try_remove_child("Endpoint")  # an output with a generated name; ours is ApiUrl
        return api

    def _stage_options(self) -> apigateway.StageOptions:
        config = self._config
        access_log = log_group(
            self,
            "AccessLog",
            name=f"/aws/apigateway/{config.prefix}",
            retention_days=config.log_retention_days,
            key=self._log_key,
        )
        return apigateway.StageOptions(
            stage_name=config.stage,
            throttling_rate_limit=config.requests_per_s,
            throttling_burst_limit=config.requests_burst,
            tracing_enabled=True,
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            data_trace_enabled=False,  # it would write whole conversations into the log
            access_log_destination=apigateway.LogGroupLogDestination(access_log),
            access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_ACCESS_LOG)),
        )

    def _health(self) -> None:
        """Answer without a function and without a token: is the API there at all?"""
        header = "method.response.header.x-request-id"
        self.api.root.add_resource("health").add_method(
            "GET",
            apigateway.MockIntegration(
                passthrough_behavior=apigateway.PassthroughBehavior.NEVER,
                request_templates={"application/json": '{"statusCode": 200}'},
                integration_responses=[
                    apigateway.IntegrationResponse(
                        status_code="200",
                        response_parameters={header: "context.requestId"},
                        response_templates={"application/json": '{"status": "ok"}'},
                    )
                ],
            ),
            authorization_type=apigateway.AuthorizationType.NONE,
            method_responses=[
                apigateway.MethodResponse(status_code="200", response_parameters={header: True})
            ],
        )
