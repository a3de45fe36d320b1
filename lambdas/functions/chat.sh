#!/bin/sh
# The handler of the chat function: Lambda Web Adapter starts this file and sends it HTTP requests.
# Our layer is unpacked under /opt; the laptop cloud has no /opt and says where it put it.
export PYTHONPATH="${LAMBDA_TASK_ROOT}:${KIT_LAYER_ROOT:-/opt}/python"
exec python3 -m uvicorn lambdas.functions.chat:app --host 127.0.0.1 --port "${AWS_LWA_PORT}" \
    --http h11 --loop asyncio --ws none --lifespan on \
    --log-level warning --no-access-log --no-server-header
