"""What a refusal must be made of, whatever was refused."""

import httpx

LONGEST_REFUSAL = 2_000


def refused(reply: httpx.Response, status: int = 400, param: str | None = None) -> None:
    """The status, the field at fault, OpenAI's shape, and nothing of our insides."""
    assert reply.status_code == status, reply.text[:500]
    assert len(reply.content) < LONGEST_REFUSAL
    assert reply.headers["x-request-id"]
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    for inside in ("Traceback", ".py", "lambdas", "pydantic", "botocore"):
        assert inside not in reply.text
