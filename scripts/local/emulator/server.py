"""Puts the emulator, our hooks and the HTTP server together."""

import asyncio
import logging
import resource
import sys
import uuid

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from ministack import app as emulator

from scripts.local.emulator.archives import UnpackedArchives
from scripts.local.emulator.authorization import Authorization
from scripts.local.emulator.foreign_pages import ForeignPages
from scripts.local.emulator.functions import FunctionHost
from scripts.local.emulator.hooks import (
    buckets,
    contract,
    functions,
    gateway,
    iam,
    services,
    state,
    web,
)
from scripts.local.emulator.iam_usage import IamUsage
from scripts.local.emulator.lifecycle import Lifecycle, PeriodicSnapshot
from scripts.local.emulator.options import Options, emulator_settings, function_environment
from scripts.local.emulator.registry import Registry
from scripts.local.emulator.relay import Relay
from scripts.local.emulator.snapshots import SnapshotFolder
from scripts.local.emulator.web_function import WebFunction, WebHost
from scripts.local.emulator.web_process import WebProcess

KEEP_ALIVE_S = 75


class QuietHealth(logging.Filter):
    """Leaves the launcher's health checks out of the access log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "/_ministack/health" not in record.getMessage()


def application(options: Options) -> Lifecycle:
    """The emulator with all hooks in place.

    Raises:
        HookError: this ministack is not what the hooks were written for.
    """
    contract.verify()
    host = FunctionHost(
        options.function_python, emulator_settings(options), function_environment(options)
    )
    functions.install(host)
    services.install()
    buckets.install()
    if options.enforce_iam:
        iam.install(IamUsage(options.state_dir / "iam-usage.jsonl"))
    is_allowed = iam.is_allowed if options.enforce_iam else _everything
    gateway.install()
    registry = web_registry(options)
    relay = Relay(registry, web.write_log)
    web.install(relay)
    keeper = state.StateKeeper(SnapshotFolder(options.snapshot_dir))
    keeper.install()
    snapshot = PeriodicSnapshot(keeper, options.snapshot_interval_s)
    return Lifecycle(
        ForeignPages(Authorization(emulator.app, is_allowed)),
        note_request=snapshot.note,
        background=[snapshot.run, registry.supervise],
        at_stop=[relay.stop, registry.stop_all],
    )


def _everything(_access_key: str, _action: str, _resource: str) -> bool:
    return True


def web_registry(options: Options) -> Registry:
    host = WebHost(options.function_python, function_environment(options))
    archives = UnpackedArchives(options.work_dir / "unpacked")

    async def start(function: WebFunction) -> WebProcess:
        return await WebProcess.start(function, host, archives)

    def write_last_lines(function: WebFunction, lines: list[str]) -> None:
        web.write_log(function, str(uuid.uuid4()), lines, failed=False, duration_ms=0)

    return Registry(start, web.wanted_fingerprint, write_last_lines)


def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, on loopback only."""
    logging.getLogger("hypercorn.access").addFilter(QuietHealth())
    _allow_many_connections()
    config = Config()
    config.bind = [f"127.0.0.1:{options.port}"]
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.loglevel = "INFO"
    try:
        asyncio.run(hypercorn_serve(application(options), config))  # type: ignore[arg-type]
    except contract.HookError as error:
        sys.exit(f"emulator: {error}")
    except OSError as error:
        sys.exit(f"emulator: cannot serve on 127.0.0.1:{options.port}: {error}")


def _allow_many_connections() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
