"""A small application for the emulator: a REST API, web and plain functions, user pools."""

from typing import Any

from tests.emulated import Emulator, zipped

API = "arn:aws:apigateway:us-east-1:lambda:path"
BUCKET = "code-of-the-tests"
ERROR = '{"error":{"message":$context.error.messageString,"id":"$context.requestId"}}'
LOG_FORMAT = (
    '{"id":"$context.requestId","status":"$context.status","length":"$context.responseLength",'
    '"sub":"$context.authorizer.claims.sub","error":"$context.error.responseType"}'
)

RUN = '#!/bin/sh\nexport PYTHONPATH="${KIT_LAYER_ROOT:-/opt}/python"\nexec python web.py\n'
WEB = """
import json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import in_layer

released = threading.Semaphore(0)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, document, status=200):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith(("/echo", "/mine", "/doomed")):
            self.answer({
                "version": VERSION, "pid": os.getpid(), "path": self.path, "python": sys.executable,
                "layer": in_layer.NAME, "headers": dict(self.headers.items()),
                "environment": dict(os.environ),
            })
        elif self.path == "/release":
            released.release()
            self.answer({})
        elif self.path == "/finished":
            self.answer({"finished": finished})
        else:
            self.answer({"ready": True})

    def do_POST(self):
        length = len(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/late":
            released.acquire()
            self.answer({})
            return
        if self.path == "/count":
            self.answer({"length": length})
            return
        print("streaming", VERSION, flush=True)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number in range(4):
            part = f"data: {VERSION} {number}\\n\\n".encode()
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(part), part))
            self.wfile.flush()
            if number < 3:
                released.acquire()
        self.wfile.write(b"0\\r\\n\\r\\n")
        finished.append(VERSION)

    def log_message(self, *arguments):
        pass


finished = []
ThreadingHTTPServer(("127.0.0.1", int(os.environ["AWS_LWA_PORT"])), Handler).serve_forever()
"""
PLAIN = """
import json, logging, os, sys

logging.getLogger().setLevel(logging.INFO)


def handler(event, context):
    logging.info("asked for %s", event["path"])
    if event["path"] == "/fail":
        raise KeyError("no such thing")
    headers = {"x-python": sys.executable}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(dict(os.environ))}
"""


def web_code(version: str) -> bytes:
    return zipped({"run.sh": RUN, "web.py": f"VERSION = {version!r}\n{WEB}"}, executable={"run.sh"})


def upload_code(emulator: Emulator) -> None:
    storage = emulator.client("s3")
    storage.create_bucket(Bucket=BUCKET)
    archives = {
        "web.zip": web_code("one"),
        "layer.zip": zipped({"python/in_layer.py": "NAME = 'from the layer'\n"}),
        "plain.zip": zipped({"plain.py": PLAIN, "broken.py": "import nowhere_to_be_found\n"}),
        "mute.zip": zipped(
            {"run.sh": "#!/bin/sh\necho cannot go on\nexit 3\n"}, executable={"run.sh"}
        ),
        "no-x.zip": zipped({"run.sh": RUN}),
    }
    for key, body in archives.items():
        storage.put_object(Bucket=BUCKET, Key=key, Body=body)


class Stack:
    """Builds a template: functions, and methods of one API that call them."""

    def __init__(self) -> None:
        self.resources: dict[str, Any] = {}
        self._methods: list[str] = []
        self._add("Role", "AWS::IAM::Role", AssumeRolePolicyDocument={"Statement": []})
        tags = [{"Key": "kit:stage", "Value": "local"}]
        self._add("Bucket", "AWS::S3::Bucket", BucketName="bucket-of-the-tests", Tags=tags)
        self._add("Api", "AWS::ApiGateway::RestApi", Name="tests")
        self._add("Pool", "AWS::Cognito::UserPool", UserPoolName="tests")
        self._add("OtherPool", "AWS::Cognito::UserPool", UserPoolName="others")
        for pool in ("Pool", "OtherPool"):
            self._add(
                f"{pool}Client",
                "AWS::Cognito::UserPoolClient",
                UserPoolId={"Ref": pool},
                ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
            )
        self._add(
            "Authorizer",
            "AWS::ApiGateway::Authorizer",
            Name="users",
            RestApiId={"Ref": "Api"},
            Type="COGNITO_USER_POOLS",
            IdentitySource="method.request.header.Authorization",
            ProviderARNs=[{"Fn::GetAtt": ["Pool", "Arn"]}],
        )
        layer = {"S3Bucket": BUCKET, "S3Key": "layer.zip"}
        self._add("Layer", "AWS::Lambda::LayerVersion", Content=layer)
        self._add("AccessLogs", "AWS::Logs::LogGroup", LogGroupName="access-of-the-tests")

    def _add(self, name: str, kind: str, **properties: Any) -> None:
        self.resources[name] = {"Type": kind, "Properties": properties}

    def web_function(self, name: str, key: str, *, timeout_s: int = 60, **environment: str) -> None:
        adapter = "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:27"
        variables = {
            "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
            "AWS_LWA_INVOKE_MODE": "response_stream",
            "AWS_LWA_PORT": "8080",
            **environment,
        }
        self._function(
            name,
            key,
            Handler="run.sh",
            Timeout=timeout_s,
            Layers=[adapter, {"Ref": "Layer"}],
            Environment={"Variables": variables},
        )

    def plain_function(self, name: str, handler: str) -> None:
        self._function(name, "plain.zip", Handler=handler, Timeout=30)

    def _function(self, name: str, key: str, **properties: Any) -> None:
        self._add(
            name,
            "AWS::Lambda::Function",
            FunctionName=name,
            Runtime="python3.11",
            Role={"Fn::GetAtt": ["Role", "Arn"]},
            Code={"S3Bucket": BUCKET, "S3Key": key},
            **properties,
        )

    def route(
        self,
        path: str,
        method: str,
        function: str,
        *,
        streamed: bool = False,
        signed_in: bool = False,
        timeout_ms: int = 29_000,
    ) -> None:
        kind, suffix = "2015-03-31", "invocations"
        if streamed:
            kind, suffix = "2021-11-15", "response-streaming-invocations"
        uri = f"{API}/{kind}/functions/${{{function}.Arn}}/{suffix}"
        part = f"Path{path}"
        if part not in self.resources:
            self._add(
                part,
                "AWS::ApiGateway::Resource",
                RestApiId={"Ref": "Api"},
                ParentId={"Fn::GetAtt": ["Api", "RootResourceId"]},
                PathPart=path,
            )
        authorization: dict[str, Any] = {"AuthorizationType": "NONE"}
        if signed_in:
            authorizer = {"Ref": "Authorizer"}
            authorization = {"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizerId": authorizer}
        name = f"Method{path}{method}"
        self._methods.append(name)
        integration = {
            "Type": "AWS_PROXY",
            "IntegrationHttpMethod": "POST",
            "Uri": {"Fn::Sub": uri},
            "ResponseTransferMode": "STREAM" if streamed else "BUFFERED",
            "TimeoutInMillis": timeout_ms,
        }
        self._add(
            name,
            "AWS::ApiGateway::Method",
            RestApiId={"Ref": "Api"},
            ResourceId={"Ref": part},
            HttpMethod=method,
            Integration=integration,
            **authorization,
        )

    def gateway_response(self, kind: str, status: int | None = None) -> None:
        name = f"Response{kind.replace('_', '')}"
        self._methods.append(name)
        code = {"StatusCode": str(status)} if status else {}
        self._add(
            name,
            "AWS::ApiGateway::GatewayResponse",
            RestApiId={"Ref": "Api"},
            ResponseType=kind,
            ResponseTemplates={"application/json": ERROR},
            **code,
        )

    def template(self) -> dict[str, Any]:
        self._add("Deployment", "AWS::ApiGateway::Deployment", RestApiId={"Ref": "Api"})
        self.resources["Deployment"]["DependsOn"] = self._methods
        throttled = {"HttpMethod": "GET", "ResourcePath": "/never"}
        throttled |= {"ThrottlingBurstLimit": "0", "ThrottlingRateLimit": "0"}
        self._add(
            "Stage",
            "AWS::ApiGateway::Stage",
            RestApiId={"Ref": "Api"},
            StageName="v",
            DeploymentId={"Ref": "Deployment"},
            MethodSettings=[throttled],
            AccessLogSetting={
                "DestinationArn": {"Fn::GetAtt": ["AccessLogs", "Arn"]},
                "Format": LOG_FORMAT,
            },
        )
        names = ("Api", "Pool", "PoolClient", "OtherPool", "OtherPoolClient")
        return {
            "Resources": self.resources,
            "Outputs": {name: {"Value": {"Ref": name}} for name in names},
        }


def application() -> dict[str, Any]:
    stack = Stack()
    stack.web_function("web", "web.zip", KIT_SETTING="set")
    stack.web_function("mute", "mute.zip")
    stack.web_function("doomed", "web.zip")
    stack.web_function("no-x", "no-x.zip")
    stack.web_function("short", "web.zip", timeout_s=1)
    stack.plain_function("plain", "plain.handler")
    stack.plain_function("broken", "broken.handler")
    stack.route("stream", "POST", "web", streamed=True)
    for path in ("echo", "release", "finished"):
        stack.route(path, "GET", "web", streamed=True)
    stack.route("count", "POST", "web", streamed=True)
    stack.route("whole", "GET", "web")
    stack.route("mine", "GET", "web", streamed=True, signed_in=True)
    stack.route("mute", "GET", "mute", streamed=True)
    stack.route("doomed", "GET", "doomed", streamed=True)
    stack.route("no-x", "GET", "no-x", streamed=True)
    stack.route("short", "POST", "short", streamed=True)
    stack.route("late", "POST", "web", streamed=True, timeout_ms=300)
    for path in ("plain", "fail", "never"):
        stack.route(path, "GET", "plain")
    stack.route("broken", "GET", "broken")
    for kind in ("DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "THROTTLED", "REQUEST_TOO_LARGE"):
        stack.gateway_response(kind)
    stack.gateway_response("INTEGRATION_TIMEOUT")
    stack.gateway_response("MISSING_AUTHENTICATION_TOKEN", 404)
    return stack.template()
