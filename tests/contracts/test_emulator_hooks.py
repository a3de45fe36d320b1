"""What the emulator plug-in needs of ministack: one test for each private name."""

import ast
import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local.emulator.hooks import contract
from scripts.local.emulator.hooks.contract import CONTRACT, VERSION, HookError, Name

HOOKS = Path(contract.__file__).parent


@pytest.fixture(scope="module", autouse=True)
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Importing ministack writes a key to its state folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.mark.parametrize("name", CONTRACT, ids=str)
def test_ministack_has_what_the_hooks_rely_on(name: Name) -> None:
    assert name.fault() is None


def test_the_pinned_version_is_installed() -> None:
    assert importlib.metadata.version("ministack") == VERSION


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (Name("app", "no_such_name"), "ministack.app.no_such_name is missing"),
        (Name("no_such_module", "x"), "ministack.no_such_module.x is missing"),
        (
            Name("core.lambda_runtime", "_detect_runtime_binary", ("name",)),
            "_detect_runtime_binary takes ('runtime',), not ('name',)",
        ),
        (
            Name("app", "_get_module", ("name",), ("never written",)),
            "ministack.app._get_module no longer contains 'never written'",
        ),
    ],
)
def test_a_difference_is_named_precisely(name: Name, message: str) -> None:
    with pytest.raises(HookError) as found:
        contract.verify([name])
    assert message in str(found.value)


def used_names(source: Path) -> set[str]:
    """The attributes of ministack's modules that a hook module reads or replaces."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    modules: dict[str, str] = {}
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ministack"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if is_module(full):
                    modules[alias.asname or alias.name] = full
                else:
                    used.add(full)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module:
                used.add(f"{module}.{node.attr}")
    return used


def is_module(name: str) -> bool:
    try:
        return inspect.ismodule(importlib.import_module(name))
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("source", sorted(HOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_every_name_that_a_hook_uses_is_in_the_contract(source: Path) -> None:
    assert used_names(source) <= {str(name) for name in CONTRACT}


def test_no_other_module_of_ours_names_internals_of_ministack() -> None:
    others = [path for path in HOOKS.parent.glob("*.py") if "ministack" in path.read_text()]
    named = {
        (path.name, name)
        for path in others
        for name in re.findall(r"(?:from|import) (ministack\S*)(?! import app)", path.read_text())
    }
    assert named <= {("server.py", "ministack")}
