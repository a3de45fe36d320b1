"""Who may call at all: every route of the OpenAPI document against every kind of bad token."""

import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.e2e import forgery
from tests.e2e.cloud import Cloud, User, chat_body, said
from tests.e2e.document import GUARDED, ROUTES, Route

BAD = {
    "no token": None,
    "an empty one": "Bearer",
    "garbage": "Bearer garbage",
    "three parts of garbage": "Bearer a.b.c",
    "other claims": "",
    "another signature": "",
    "no signature": "",
    "a stranger's signature": "",
    "the public key as secret": "",
    "an expired token": "",
    "another pool's token": "",
    "an access token": "",
}


@pytest.fixture(scope="module")
def pool_key(cloud: Cloud) -> rsa.RSAPrivateKey:
    """The key with which the emulator signs ID tokens of our pool."""
    name = f"{cloud.outputs['user_pool_id']}-id.pem"
    (path,) = cloud.folder.rglob(name)
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


@pytest.fixture(scope="module")
def bad(cloud: Cloud, ana: User, ben: User, pool_key: rsa.RSAPrivateKey) -> dict[str, str | None]:
    """The value of the header `authorization` for every kind in `BAD`."""
    tokens = {
        "other claims": forgery.with_other_claims(
            ana.token, sub=forgery.claims_of(ben.token)["sub"]
        ),
        "another signature": forgery.with_other_signature(ana.token),
        "no signature": forgery.without_signature(ana.token),
        "a stranger's signature": forgery.signed_by_a_stranger(ana.token),
        "the public key as secret": forgery.signed_with_the_public_key(ana.token, pool_key),
        "an expired token": forgery.expired(ana.token, pool_key),
        "another pool's token": token_of_another_pool(cloud),
        "an access token": cloud.tokens_of_a_new_user(cloud.outputs["user_pool_id"])["AccessToken"],
    }
    return {**BAD, **{kind: f"Bearer {token}" for kind, token in tokens.items()}}


def token_of_another_pool(cloud: Cloud) -> str:
    cognito = cloud.client("cognito-idp")
    pool_id = cognito.create_user_pool(PoolName="other")["UserPool"]["Id"]
    flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    made = cognito.create_user_pool_client(
        UserPoolId=pool_id, ClientName="other", ExplicitAuthFlows=flows
    )
    return cloud.tokens_of_a_new_user(pool_id, made["UserPoolClient"]["ClientId"])["IdToken"]


def call(cloud: Cloud, method: str, path: str, **headers: str) -> httpx.Response:
    with User("nobody", "", cloud.api_url) as nobody:
        del nobody.client.headers["authorization"]
        return nobody.client.request(method, path, headers=headers)


def error_of(reply: httpx.Response) -> dict[str, Any]:
    """The error object, which must be the whole body and of OpenAI's shape."""
    (error,) = reply.json().values()
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["type"]
    assert reply.headers["x-request-id"]
    fields: dict[str, Any] = error
    return fields


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
def test_a_bad_token_opens_nothing(
    cloud: Cloud, bad: dict[str, str | None], route: Route, kind: str
) -> None:
    header = bad[kind]
    headers = {} if header is None else {"authorization": header}
    reply = call(cloud, route.method, route.with_ids({}), **headers)
    assert reply.status_code == 401
    assert error_of(reply)["code"] == "invalid_api_key"


def test_a_token_that_the_test_signs_with_the_pool_s_key_is_good_while_it_is_fresh(
    cloud: Cloud, ana: User, pool_key: rsa.RSAPrivateKey
) -> None:
    token = forgery.fresh(ana.token, pool_key)
    assert call(cloud, "GET", "/v1/models", authorization=f"Bearer {token}").status_code == 200


def test_a_token_may_come_without_the_word_bearer(cloud: Cloud, ana: User) -> None:
    assert call(cloud, "GET", "/v1/models", authorization=ana.token).status_code == 200


FORGED = ("x-amzn-request-context", "x-amzn-lambda-context", "X-Amzn-Request-Context")


@pytest.mark.parametrize("name", FORGED)
def test_a_request_context_sent_by_a_client_changes_nobody(ana: User, ben: User, name: str) -> None:
    claims = forgery.claims_of(ana.token)
    context = {"requestId": "forged", "authorizer": {"claims": claims}, "identity": claims}
    session = f"forged-{FORGED.index(name)}"
    body = chat_body("echo: who am I", kit={"session_id": session})
    reply = ben.post(body, headers={name: json.dumps(context)})
    assert said(reply) == "who am I"
    assert reply.headers["x-request-id"] != "forged"
    assert ana.get(f"/v1/sessions/{session}").status_code == 404
    assert ben.get(f"/v1/sessions/{session}").status_code == 200


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
def test_a_request_context_is_no_token(cloud: Cloud, ana: User, route: Route) -> None:
    context = json.dumps({"authorizer": {"claims": forgery.claims_of(ana.token)}})
    forged = dict.fromkeys(FORGED[:2], context)
    assert call(cloud, route.method, route.with_ids({}), **forged).status_code == 401


def test_health_asks_for_no_token(cloud: Cloud) -> None:
    reply = call(cloud, "GET", "/health")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})
    assert reply.headers["x-request-id"]


UNKNOWN = [
    ("GET", "/"),
    ("GET", "/v1"),
    ("GET", "/v1/nothing"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/chat/completions"),
    ("PUT", "/v1/sessions/s"),
    ("GET", "/v1/sessions/s/turns/t"),
    ("POST", "/health"),
]


@pytest.mark.parametrize("signed_in", ["with a token", "without"])
@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_an_unknown_route_is_404(
    cloud: Cloud, ana: User, method: str, path: str, signed_in: str
) -> None:
    headers = {"authorization": f"Bearer {ana.token}"} if signed_in == "with a token" else {}
    reply = call(cloud, method, path, **headers)
    assert reply.status_code == 404
    assert error_of(reply)["code"] == "unknown_url"


@pytest.mark.parametrize("path", sorted({route.path for route in GUARDED}))
def test_a_page_of_any_origin_may_ask_what_it_may_send(cloud: Cloud, path: str) -> None:
    asked = {"origin": "https://page.example", "access-control-request-headers": "authorization"}
    asked["access-control-request-method"] = "POST"
    reply = call(cloud, "OPTIONS", path.replace("{", "").replace("}", ""), **asked)
    assert reply.status_code in {200, 204}
    assert reply.headers["access-control-allow-origin"] == "*"
    allowed = reply.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed
    methods = {route.method for route in ROUTES if route.path == path}
    assert methods <= set(reply.headers["access-control-allow-methods"].split(","))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_page_may_read_an_answer_and_its_request_id(ana: User, *, stream: bool) -> None:
    replies = [ana.ask("echo: hello", stream=stream), ana.get("/v1/models"), ana.get("/v1/none")]
    for reply in replies:
        assert reply.headers["access-control-allow-origin"] == "*"
        assert "x-request-id" in reply.headers["access-control-expose-headers"]


def test_a_page_may_read_a_refusal_and_its_request_id(cloud: Cloud) -> None:
    reply = call(cloud, "GET", "/v1/models", origin="https://page.example")
    assert reply.status_code == 401
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "x-request-id" in reply.headers["access-control-expose-headers"]
