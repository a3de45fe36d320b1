"""The two long-lived processes of the laptop cloud: the emulator and the local SageMaker."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.local.launcher import environment, fingerprint, health, preflight
from scripts.local.launcher.layout import Layout
from scripts.local.launcher.processes import Service, command_line
from scripts.local.launcher.progress import Progress

_START_LIMIT_S = 120
_STOP_GRACE_S = 30
_PORT_VARIABLE = {"emulator": "KIT_LOCAL_PORT", "sagemaker": "KIT_LOCAL_SAGEMAKER_PORT"}


@dataclass(frozen=True)
class ServiceStatus:
    name: str
    pid: int | None
    healthy: bool
    log_file: str


def emulator(layout: Layout, *, enforce_iam: bool = False) -> Service:
    state = layout.state / "emulator"
    words = ["--function-python", str(layout.function_python)]
    words += ["--sagemaker-runtime-url", layout.sagemaker_url]
    words += ["--enforce-iam"] if enforce_iam else []
    return _service(layout, "emulator", layout.port, state, words, "/_ministack/health")


def sagemaker(layout: Layout) -> Service:
    state = layout.state / "sagemaker"
    words = ["--control-plane-url", layout.endpoint_url, "--log-dir", str(layout.logs)]
    return _service(layout, "sagemaker", layout.sagemaker_port, state, words, "/ping")


def check_ports(layout: Layout) -> None:
    """Refuse ports that another program holds, before anything slow is begun."""
    for service in (emulator(layout), sagemaker(layout)):
        pid = service.pid()
        if pid is None or port_of(command_line(pid) or []) != service.port:
            preflight.check_port(service.port, _PORT_VARIABLE[service.name])


def ensure_running(layout: Layout, progress: Progress, *, enforce_iam: bool = False) -> None:
    """Start what does not run, and start again what runs differently or does not answer."""
    started = []
    for service in (emulator(layout, enforce_iam=enforce_iam), sagemaker(layout)):
        if service.is_current() and _healthy(service):
            continue
        if service.stop(grace_s=_STOP_GRACE_S):
            progress.detail(f"stopped an earlier {service.name}")
        preflight.check_port(service.port, _PORT_VARIABLE[service.name])
        progress.step(f"starting the {service.name}")
        started.append((service, service.start()))
    for service, process in started:
        health.wait(
            process,
            lambda service=service: _healthy(service),  # type: ignore[misc]
            name=service.name,
            log_file=service.log_file,
            deadline_s=_START_LIMIT_S,
        )


def stop(layout: Layout, progress: Progress) -> bool:
    """Stop both; the emulator saves its state. True if anything was running."""
    stopped = False
    for service in (sagemaker(layout), emulator(layout)):
        if service.pid_file.exists():
            progress.step(f"stopping the {service.name}")
            stopped = service.stop(grace_s=_STOP_GRACE_S) or stopped
    return stopped


def status(layout: Layout) -> list[ServiceStatus]:
    return [_status(service) for service in (emulator(layout), sagemaker(layout))]


def _status(service: Service) -> ServiceStatus:
    pid = service.pid()
    running = service if pid is None else replace(service, port=port_of(command_line(pid) or []))
    healthy = pid is not None and _healthy(running)
    return ServiceStatus(service.name, pid, healthy, str(service.log_file))


def port_of(words: list[str]) -> int:
    """The port that a command line names: it may be another than the environment says now."""
    return int(words[words.index("--port") + 1]) if "--port" in words else 0


def _healthy(service: Service) -> bool:
    return health.answers(service.port, service.health_path)


def _service(
    layout: Layout, name: str, port: int, state: Path, words: list[str], health_path: str
) -> Service:
    module = f"scripts.local.{name}"
    argv = [sys.executable, "-m", module, "--port", str(port), "--state-dir", str(state), *words]
    return Service(
        name=name,
        argv=argv,
        marker=(module, str(state)),
        env=environment.of_service(os.environ, layout),
        folder=layout.local_dir,
        port=port,
        health_path=health_path,
        version=_version(layout, name),
    )


def _version(layout: Layout, name: str) -> str:
    """Changes when the process must be started again to behave as the checkout says."""
    sources = ("locks/kit.txt", "lambdas/core/catalogue.py", f"scripts/local/{name}")
    own = os.environ.items() if name == "sagemaker" else ()  # which model answers, and how
    settings = sorted(f"{k}={v}" for k, v in own if k.startswith("KIT_LOCAL_"))
    return fingerprint.of((layout.root / source for source in sources), *settings)
