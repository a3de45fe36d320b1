"""Tokens that must not open anything, made from one that does."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Claims = dict[str, Any]


def claims_of(token: str) -> Claims:
    claims: Claims = jwt.decode(token, options={"verify_signature": False})
    return claims


def with_other_claims(token: str, **changed: object) -> str:
    """The claims changed, the signature as it was."""
    head, _, signature = token.split(".")
    return f"{head}.{_part({**claims_of(token), **changed})}.{signature}"


def with_other_signature(token: str) -> str:
    head, claims, signature = token.split(".")
    return f"{head}.{claims}.{signature[::-1]}"


def without_signature(token: str) -> str:
    head = {**jwt.get_unverified_header(token), "alg": "none"}
    return f"{_part(head)}.{token.split('.')[1]}."


def signed_by_a_stranger(token: str) -> str:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _signed(claims_of(token), stranger, token)


def signed_with_the_public_key(token: str, key: rsa.RSAPrivateKey) -> str:
    """HS256 with what everyone can read: some verifiers let the token choose the algorithm."""
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = {**jwt.get_unverified_header(token), "alg": "HS256"}
    signed = f"{_part(head)}.{token.split('.')[1]}"
    return f"{signed}.{_base64(hmac.new(pem, signed.encode(), hashlib.sha256).digest())}"


def expired(token: str, key: rsa.RSAPrivateKey) -> str:
    """Truly signed by the pool, an hour too late."""
    now = int(time.time())
    old = {**claims_of(token), "iat": now - 7200, "auth_time": now - 7200, "exp": now - 3600}
    return _signed(old, key, token)


def fresh(token: str, key: rsa.RSAPrivateKey) -> str:
    """Like `expired`, but in time: shows that it is the time that is refused there."""
    return _signed(claims_of(token), key, token)


def _signed(claims: Claims, key: rsa.RSAPrivateKey, like: str) -> str:
    kid = jwt.get_unverified_header(like)["kid"]
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})


def _part(value: Claims) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
