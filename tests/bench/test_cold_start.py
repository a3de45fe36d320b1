"""What a cold start of the chat function costs in CPU, beside the least that an AWS SDK costs."""

import compileall
import dataclasses
import shutil
from pathlib import Path
from py_compile import PycInvalidationMode

from tests.bench import cpu
from tests.bench.chat_function import FUNCTION_PYTHON, ChatFunction
from tests.bench.figures import Bound, Figure, keep

RUNS = 15
SDK = "import boto3; boto3.client('dynamodb', region_name='us-east-1')"


def test_cold_start(chat_function: ChatFunction, tmp_path: Path) -> None:
    """Variants take turns, so that a change of the machine's load meets all of them."""
    variants = _variants(chat_function, tmp_path)
    sdk: list[float] = []
    samples: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(RUNS):
        sdk.append(cpu.of_command_ms([str(FUNCTION_PYTHON), "-c", SDK]))
        for name, function in variants.items():
            samples[name].append(_first_chat_ms(function))
    keep("cold start", [_figure(name, samples[name], sdk) for name in variants])


def _figure(name: str, samples: list[float], sdk: list[float]) -> Figure:
    bound = Bound("ratio", 2.0) if name == "as deployed" else None
    return Figure(f"first chat, {name}", "CPU ms", samples, "import boto3 + client", sdk, bound)


def _first_chat_ms(function: ChatFunction) -> float:
    with function.running() as running:
        running.chat("count 20")
        return running.cpu_ms


def _variants(deployed: ChatFunction, folder: Path) -> dict[str, ChatFunction]:
    """With and without bytecode: in AWS both are read-only, so nothing missing is kept."""
    compiled = folder / "compiled"
    shutil.copytree(deployed.code, compiled)
    compileall.compile_dir(compiled, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    bare = folder / "bare"
    shutil.copytree(deployed.layer, bare, ignore=shutil.ignore_patterns("__pycache__"))
    return {
        "as deployed": deployed,
        "bytecode in the code too": dataclasses.replace(deployed, code=compiled),
        "no bytecode in the layer": dataclasses.replace(deployed, layer=bare),
    }
