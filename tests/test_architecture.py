"""The import table of the design: parts import downwards only, parts of one layer not each other."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "forcegauge"
LAYERS = [
    {"units", "errors", "encoding", "folders", "version"},
    {"structures", "predictions", "potential", "records", "entries", "download"},
    {"datasets", "architectures", "models", "simulate", "metrics", "results"},
    {"benchmarks", "training", "worker"},
    {"runner", "scoring"},
    {"report"},
    {"cli", "api"},
    {"__main__"},
]
LAYER = {part: level for level, parts in enumerate(LAYERS) for part in parts}
WITHIN_A_LAYER = {
    ("predictions", "structures"),
    ("potential", "structures"),
    ("potential", "predictions"),
    ("records", "structures"),
}
# What runs in a model's environment must not need more than numpy, SciPy and ASE.
IN_THE_WORKER = {"units", "errors", "encoding", "structures", "predictions", "potential", "simulate", "worker"}
WORKER_PACKAGES = {"numpy", "scipy", "ase", "forcegauge"}


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]


def imports(path: Path, *, eager_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = _eager(tree) if eager_only else ast.walk(tree)
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _eager(node: ast.AST):
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or typing_only:
            continue
        yield child
        yield from _eager(child)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_only(path):
    part = part_of(path)
    assert part in LAYER, f"{part} has no place in the design's table"
    for name in imports(path):
        if not name.startswith("forcegauge."):
            continue
        other = name.split(".")[1]
        if other == part or other not in LAYER:
            continue
        lower = LAYER[other] < LAYER[part]
        assert lower or (part, other) in WITHIN_A_LAYER, f"{part} must not import {other} ({name})"


@pytest.mark.parametrize(
    "path",
    [path for path in modules() if part_of(path) in IN_THE_WORKER],
    ids=lambda path: str(path.relative_to(SOURCE)),
)
def test_worker_code_needs_little(path):
    import sys

    heads = {name.split(".")[0] for name in imports(path, eager_only=True)}
    assert heads - set(sys.stdlib_module_names) <= WORKER_PACKAGES


def test_verbs_import_nothing_heavy_at_their_top():
    for path in sorted((SOURCE / "cli").glob("*.py")):
        heads = {name.split(".")[0] for name in imports(path, eager_only=True)}
        assert not heads & {"numpy", "ase", "plotly", "scipy", "pyarrow", "rich", "torch"}, path


def test_no_part_has_a_name_that_says_nothing():
    assert not {"utils", "common", "core", "helpers"} & {path.stem for path in [*modules(), *SOURCE.iterdir()]}
