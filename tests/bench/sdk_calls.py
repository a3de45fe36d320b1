"""The AWS calls of a chat made bare, in the functions' interpreter: two transactions, one stream.

A script: prints one JSON object with the CPU of a round and the wall time to its first token.
"""

import json
import os
import sys
import time
import uuid

import boto3

MODEL = "kit-local-smollm2-135m-instruct"
BODY = {"messages": [{"role": "user", "content": "count 20"}], "stream": True}
WARM_UP = 3


def main(rounds: int) -> None:
    store = boto3.client("dynamodb")
    models = boto3.client("sagemaker-runtime")
    first_ms = []
    for number in range(-WARM_UP, rounds):
        if number == 0:
            began_ms = time.process_time() * 1000
        first_ms.append(_round(store, models))
    cpu_ms = (time.process_time() * 1000 - began_ms) / rounds
    json.dump({"cpu_ms": cpu_ms, "first_ms": first_ms[WARM_UP:]}, sys.stdout)


def _round(store, models) -> float:  # type: ignore[no-untyped-def]
    """As many items as a chat writes at its start and at its end; the model between them."""
    began = time.perf_counter()
    key = uuid.uuid4().hex
    _write(store, key, 4)
    reply = models.invoke_endpoint_with_response_stream(
        EndpointName=MODEL, InferenceComponentName=MODEL, Body=json.dumps(BODY)
    )
    parts = iter(reply["Body"])
    next(parts)
    first_ms = (time.perf_counter() - began) * 1000
    for _ in parts:
        pass
    _write(store, key, 3)
    return first_ms


def _write(store, key: str, count: int) -> None:  # type: ignore[no-untyped-def]
    names = [{"pk": {"S": f"BENCH#{key}"}, "sk": {"S": str(n)}} for n in range(count)]
    items = [{**name, "text": {"S": "x" * 200}} for name in names]
    table = os.environ["KIT_TABLE_NAME"]
    puts = [{"Put": {"TableName": table, "Item": item}} for item in items]
    store.transact_write_items(TransactItems=puts)


if __name__ == "__main__":
    main(int(sys.argv[1]))
