"""The local SageMaker runtime as a process: `python -m scripts.local.sagemaker --help`."""

import argparse
import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import boto3
import httpx
import uvicorn
from botocore.config import Config
from starlette.applications import Starlette

from lambdas.core.catalogue import ModelEntry, load_catalogue
from scripts.local.sagemaker.async_calls import AsyncCalls, S3Objects
from scripts.local.sagemaker.callers import Callers
from scripts.local.sagemaker.deployments import BotoControlPlane, Deployments
from scripts.local.sagemaker.invocations import Invocations, Limits
from scripts.local.sagemaker.model_servers import (
    ForeignServer,
    LocalModels,
    ModelStartError,
)
from scripts.local.sagemaker.service import Service
from scripts.local.sagemaker.weights import Weights, WeightsError

log = logging.getLogger("scripts.local.sagemaker")
ACCOUNT = "000000000000"
LIMITS = Limits()


def arguments(argv: list[str] | None, env: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.local.sagemaker", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-plane-url", required=True, help="where the AWS API answers")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--log-dir", type=Path, help="of model.log; default: ../logs of the state")
    parser.add_argument(
        "--upstream-url",
        default=env.get("KIT_LOCAL_MODEL_URL"),
        help="an OpenAI-compatible server, to /v1, instead of a model of our own",
    )
    parser.add_argument(
        "--upstream-model",
        default=env.get("KIT_LOCAL_MODEL_NAME"),
        help="the model's name on that server, if it asks for one",
    )
    parser.add_argument(
        "--gguf",
        type=Path,
        default=env.get("KIT_LOCAL_GGUF") or None,
        help="weights that answer for every chat model",
    )
    parser.add_argument("--threads", type=int, default=int(env.get("KIT_LOCAL_THREADS") or 1))
    return parser.parse_args(argv)


def models(args: argparse.Namespace) -> ForeignServer | LocalModels:
    if args.upstream_url:
        return ForeignServer(args.upstream_url, args.upstream_model)
    log_dir = args.log_dir or args.state_dir.parent / "logs"
    weights = Weights(args.state_dir, args.gguf)
    return LocalModels(weights.path, log=log_dir / "model.log", threads=args.threads)


async def warm(servers: LocalModels, catalogue: Mapping[str, ModelEntry]) -> None:
    """Load what the machine can serve before the first call asks for it."""
    for entry in catalogue.values():
        if entry.local is None:
            continue
        try:
            await servers.server_for(entry)
        except (WeightsError, ModelStartError) as error:
            log.warning("%s is not ready: %s", entry.id, error)
        else:
            log.info("%s is ready", entry.id)


def app(args: argparse.Namespace, env: Mapping[str, str], limits: Limits = LIMITS) -> Starlette:
    catalogue = load_catalogue()
    servers = models(args)
    client = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=5), trust_env=False)
    session = boto3.Session(
        aws_access_key_id=env.get("AWS_ACCESS_KEY_ID", "test"),
        aws_secret_access_key=env.get("AWS_SECRET_ACCESS_KEY", "test"),
        region_name=env.get("AWS_REGION", "us-east-1"),
    )
    url = args.control_plane_url
    once = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    sagemaker = session.client("sagemaker", endpoint_url=url, config=once)
    s3 = session.client("s3", endpoint_url=url, config=once)
    invocations = Invocations(catalogue, servers, client, limits)
    service = Service(
        Callers(client, url, account=ACCOUNT),
        Deployments(BotoControlPlane(sagemaker, account=ACCOUNT)),
        invocations,
        AsyncCalls(invocations, S3Objects(s3)),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        warming = None
        if isinstance(servers, LocalModels):
            warming = asyncio.create_task(warm(servers, catalogue))
        yield
        if warming:
            warming.cancel()
        servers.stop()
        await client.aclose()
        sagemaker.close()
        s3.close()

    application = service.app(lifespan)
    application.state.servers = servers
    return application


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    args = arguments(None, os.environ)
    uvicorn.run(
        app(args, os.environ),
        host="127.0.0.1",
        port=args.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
