"""The REST API: stage, logs, authorizer, gateway responses and the health route."""

import json
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.config import DeployConfig
from cdk.findings import acknowledge
from cdk.gateway_responses import add_gateway_errors
from cdk.logs import log_group
from cdk.waf import protect

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


_PUSH_TO_LOGS = (
    "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
    "AmazonAPIGatewayPushToCloudWatchLogs]"
)


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
        self._with_preflight: set[str] = set()
        self.api = self._api()
        self._authorizer = apigateway.CognitoUserPoolsAuthorizer(
            self, "Users", authorizer_name=config.prefix, cognito_user_pools=[user_pool]
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
        resource = self.api.root.resource_for_path(path)
        self._allow_browsers(path, resource)
        resource.add_method(
            method,
            integration,
            authorizer=self._authorizer,
            authorization_type=apigateway.AuthorizationType.COGNITO,
        )

    def _allow_browsers(self, path: str, resource: apigateway.Resource) -> None:
        if path in self._with_preflight:
            return
        self._with_preflight.add(path)
        resource.add_cors_preflight(
            allow_origins=list(self._config.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "*"],  # the wildcard leaves Authorization out
            expose_headers=["x-request-id", "retry-after"],
            max_age=cdk.Duration.hours(1),
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
            deploy_options=self._stage_options(),
        )
        api.node.try_remove_child("Endpoint")  # an output with a generated name; ours is ApiUrl
        self._secure_transport(api)
        self._execution_log(api)
        acknowledge(
            api,
            {
                "AwsSolutions-APIG2": "The functions check requests themselves: API Gateway cannot"
                " name the field at fault, which clients of OpenAI's API look at.",
                _PUSH_TO_LOGS: "An account has one such role for all its APIs; this managed policy"
                " is the one that API Gateway asks for.",
            },
        )
        if config.waf:
            protect(self, api.deployment_stage)
        else:
            reason = "A web ACL is billed while idle; the stage file turns it on (waf)."
            acknowledge(api, {"AwsSolutions-APIG3": reason})
        return api

    def _secure_transport(self, api: apigateway.RestApi) -> None:
        """Refuse TLS 1.0 and 1.1, which the default still takes; the L2 has no property for it."""
        definition = cast(apigateway.CfnRestApi, api.node.default_child)
        definition.security_policy = "TLS_1_2"

    def _execution_log(self, api: apigateway.RestApi) -> None:
        """API Gateway would make this log group itself, and keep it for ever."""
        execution_log = log_group(
            self,
            "ExecutionLog",
            name=f"API-Gateway-Execution-Logs_{api.rest_api_id}/{self._config.stage}",
            retention_days=self._config.log_retention_days,
            key=self._log_key,
        )
        api.deployment_stage.node.add_dependency(execution_log)

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
        method = self.api.root.add_resource("health").add_method(
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
        public = "Says only that the API is there; monitors have no token."
        acknowledge(method, {"AwsSolutions-APIG4": public, "AwsSolutions-COG4": public})
