"""A route of the laptop cloud that does nothing: signed in, streamed, answered at once.

The baseline of the chat route: what is left between the two is the kit's own work.
"""

import json
from typing import Any

from tests.e2e.cloud import Cloud
from tests.emulated import zipped

STACK = "bench-noop"
BUCKET = "bench-noop-code"
CODE = '''
"""Answers every POST with 20 chunks."""
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK = json.dumps({"choices": [{"delta": {"content": "1 "}}]}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for data in [CHUNK] * 20 + [b"[DONE]"]:
            part = b"data: " + data + b"\\n\\n"
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(part), part))
        self.wfile.write(b"0\\r\\n\\r\\n")

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["AWS_LWA_PORT"])), Handler).serve_forever()
'''
INVOCATIONS = "2021-11-15/functions/${Function.Arn}/response-streaming-invocations"


def noop_chat_url(cloud: Cloud) -> str:
    """Deploy the route, unless it stands; its address."""
    stacks = cloud.client("cloudformation")
    if not _stands(stacks):
        _upload(cloud.client("s3"))
        _deploy(stacks, cloud)
    (stack,) = stacks.describe_stacks(StackName=STACK)["Stacks"]
    api_id = stack["Outputs"][0]["OutputValue"]
    return f"{cloud.outputs['endpoint_url']}/_aws/execute-api/{api_id}/v/chat"


def _stands(stacks: Any) -> bool:
    names = {stack["StackName"] for stack in stacks.describe_stacks()["Stacks"]}
    return STACK in names


def _upload(storage: Any) -> None:
    run = '#!/bin/sh\nexec python3 "${LAMBDA_TASK_ROOT}/noop.py"\n'
    storage.create_bucket(Bucket=BUCKET)
    code = zipped({"run.sh": run, "noop.py": CODE}, executable={"run.sh"})
    storage.put_object(Bucket=BUCKET, Key="code.zip", Body=code)


def _deploy(stacks: Any, cloud: Cloud) -> None:
    body = json.dumps(_template(cloud.outputs["user_pool_id"]))
    stacks.create_stack(StackName=STACK, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    waiter = stacks.get_waiter("stack_create_complete")
    waiter.wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def _template(pool_id: str) -> dict[str, Any]:
    api = "arn:aws:apigateway:us-east-1:lambda:path"
    uri = {"Fn::Sub": f"{api}/{INVOCATIONS}"}
    resources = {
        "Role": _of("IAM::Role", AssumeRolePolicyDocument={"Statement": []}),
        "Function": _function(),
        "Api": _of("ApiGateway::RestApi", Name=STACK),
        "Authorizer": _authorizer(pool_id),
        "Path": _of(
            "ApiGateway::Resource",
            RestApiId={"Ref": "Api"},
            ParentId={"Fn::GetAtt": ["Api", "RootResourceId"]},
            PathPart="chat",
        ),
        "Method": _of(
            "ApiGateway::Method",
            RestApiId={"Ref": "Api"},
            ResourceId={"Ref": "Path"},
            HttpMethod="POST",
            AuthorizationType="COGNITO_USER_POOLS",
            AuthorizerId={"Ref": "Authorizer"},
            Integration={
                "Type": "AWS_PROXY",
                "IntegrationHttpMethod": "POST",
                "Uri": uri,
                "ResponseTransferMode": "STREAM",
            },
        ),
        "Deployment": {
            **_of("ApiGateway::Deployment", RestApiId={"Ref": "Api"}),
            "DependsOn": ["Method"],
        },
        "Stage": _of(
            "ApiGateway::Stage",
            RestApiId={"Ref": "Api"},
            StageName="v",
            DeploymentId={"Ref": "Deployment"},
        ),
    }
    return {"Resources": resources, "Outputs": {"Api": {"Value": {"Ref": "Api"}}}}


def _function() -> dict[str, Any]:
    adapter = "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:27"
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "AWS_LWA_PORT": "8080"}
    return _of(
        "Lambda::Function",
        FunctionName=STACK,
        Runtime="python3.11",
        Handler="run.sh",
        Role={"Fn::GetAtt": ["Role", "Arn"]},
        Code={"S3Bucket": BUCKET, "S3Key": "code.zip"},
        Layers=[adapter],
        Environment={"Variables": {**variables, "AWS_LWA_INVOKE_MODE": "response_stream"}},
    )


def _authorizer(pool_id: str) -> dict[str, Any]:
    pool = f"arn:aws:cognito-idp:us-east-1:000000000000:userpool/{pool_id}"
    return _of(
        "ApiGateway::Authorizer",
        Name="users",
        RestApiId={"Ref": "Api"},
        Type="COGNITO_USER_POOLS",
        IdentitySource="method.request.header.Authorization",
        ProviderARNs=[pool],
    )


def _of(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}
