"""The layers of the package: a file imports only from layers above its own, and never in a circle.

Read from the source, without importing it. The order below is the one that ``docs/design.md``
explains; a new file has to be given its place in it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "wengert"

LAYERS = (
    "frames",
    "errors",
    "forks",
    "memory",
    "program",
    "primitive",
    "kinds",
    "trace",
    "layouts",
    "recorder",
    "evaluate",
    "primitives",
    "transforms",
    "functions",
    "tree",
    "calls",
    "verbs",
    "derivatives",
    "custom",
    "control",
    "compile",
    "stand_ins",
    "numpy",
    "jit",
    "agreement",
    "numerical",
    "optimize",
    "explain",
    "demo",
    "cli",
)
"""From top to bottom: files, or folders of files, directly in the package."""

ENTRIES = ("__init__", "__main__")
"""May import every layer, and no layer may import them."""


@dataclass(frozen=True)
class Import:
    """``importer`` imports ``imported`` (names of modules inside the package) in ``line``."""

    importer: str
    imported: str
    line: int
    at_import_time: bool


def modules_of(package: Path) -> dict[str, Path]:
    """The modules of a package by dotted name without the package's own; its root is ''."""
    found: dict[str, Path] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def import_statements(
    tree: ast.AST, at_import_time: bool = True
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Imports with whether they run when the module is imported; none for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_import_time
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for other in node.orelse:
                yield from import_statements(ast.Module([other], []), at_import_time)
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from import_statements(node, at_import_time and not inside)


def targets(
    node: ast.Import | ast.ImportFrom,
    importer: str,
    is_package: bool,
    modules: Mapping[str, Path],
    name: str,
) -> Iterator[str]:
    """The modules of the package that an import statement names."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name == name or alias.name.startswith(f"{name}."):
                yield alias.name.removeprefix(name).removeprefix(".")
        return
    if node.level:
        here = importer.split(".") if importer else []
        up = node.level - is_package
        base = here[: len(here) - up] if up else here
        base = [*base, *(node.module.split(".") if node.module else [])]
    elif node.module and node.module.split(".")[0] == name:
        base = node.module.split(".")[1:]
    else:
        return
    for alias in node.names:
        whole = ".".join([*base, alias.name])
        yield whole if whole in modules else ".".join(base)


def imports_of(package: Path) -> list[Import]:
    """Every import of one module of the package by another."""
    modules = modules_of(package)
    found: list[Import] = []
    for importer, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        is_package = path.name == "__init__.py"
        for node, at_import_time in import_statements(tree):
            for imported in targets(node, importer, is_package, modules, package.name):
                if imported != importer:
                    found.append(Import(importer, imported, node.lineno, at_import_time))
    return found


def layer_of(module: str) -> str:
    return module.split(".")[0] or "__init__"


def faults(package: Path) -> list[str]:
    """What is wrong with the layering of a package, in sentences; empty if nothing is."""
    order = {layer: place for place, layer in enumerate(LAYERS)}
    order |= dict.fromkeys(ENTRIES, len(LAYERS))
    modules = modules_of(package)
    found = [
        f"{path.relative_to(package)} belongs to no layer: give {layer_of(module)!r} its place in "
        "LAYERS (tests/test_layers.py) and in docs/design.md"
        for module, path in modules.items()
        if layer_of(module) not in order
    ]
    if found:
        return found
    every = imports_of(package)
    for each in every:
        upper, lower = layer_of(each.imported), layer_of(each.importer)
        where = f"{modules[each.importer].relative_to(package)}:{each.line}"
        if upper not in order:
            found.append(f"{where} imports {each.imported}, which does not exist")
        elif order[upper] > order[lower]:
            found.append(f"{where} imports {upper}, a layer below {lower}")
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for each in every:
        if each.at_import_time:
            graph[each.importer].add(each.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = [module or "__init__" for module in error.args[1]]
        found.append(f"an import cycle: {' -> '.join(reversed(circle))}")
    return found


def test_a_file_imports_only_from_layers_above_its_own_and_never_in_a_circle():
    assert not faults(PACKAGE), "\n" + "\n".join(faults(PACKAGE))


def test_every_layer_exists():
    missing = [
        layer
        for layer in LAYERS
        if not (PACKAGE / f"{layer}.py").exists() and not (PACKAGE / layer / "__init__.py").exists()
    ]
    assert not missing


def test_the_design_document_names_the_layers_in_this_order():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = re.search(r"^#+ [^\n]*\blayers\b.*?(?=^#|\Z)", text, re.I | re.M | re.S)
    assert section, "docs/design.md has no section on the layers"
    starts = re.findall(r"^[\s|*\-\d.`]*(\w+)(?:\.py|/)", section[0], re.M)
    assert [name for name in starts if name in LAYERS] == list(LAYERS)


# -- the check itself, on small made-up packages ---------------------------------------------------


@pytest.fixture
def package(tmp_path):
    def make(files):
        folder = tmp_path / "wengert"
        for name, text in files.items():
            path = folder / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    return make


def test_a_sound_package_has_no_faults(package):
    made = package(
        {
            "errors": "import numpy",
            "program": "from .errors import Oops\nfrom . import errors",
            "primitives/__init__": "from . import shape",
            "primitives/shape": "from ..program import Program\nfrom wengert.errors import Oops",
            "__init__": "from . import program\nfrom .primitives import shape",
        }
    )
    assert faults(made) == []


@pytest.mark.parametrize(
    "text",
    [
        "from .trace import Tracer",
        "from . import trace",
        "import wengert.trace",
        "from wengert import trace",
        "from wengert.trace import Tracer",
        "def f():\n    from .trace import Tracer",
        "try:\n    from .trace import Tracer\nexcept ImportError:\n    pass",
    ],
)
def test_an_import_of_a_lower_layer_is_found(package, text):
    made = package({"errors": text, "trace": ""})
    line = text.count("\n", 0, text.index("trace")) + 1
    assert faults(made) == [f"errors.py:{line} imports trace, a layer below errors"]


def test_an_import_of_the_package_itself_is_found(package):
    made = package({"errors": "import wengert", "__init__": ""})
    assert faults(made) == ["errors.py:1 imports __init__, a layer below errors"]


def test_an_import_for_type_checkers_only_is_exempt(package):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .trace import Tracer"
    assert faults(package({"errors": text, "trace": ""})) == []
    (fault,) = faults(
        package({"errors": f"{text}\nelse:\n    from .trace import Tracer", "trace": ""})
    )
    assert "errors.py:5 imports trace" in fault


def test_an_import_cycle_inside_one_layer_is_found(package):
    made = package(
        {
            "primitives/__init__": "",
            "primitives/shape": "from .index import take",
            "primitives/index": "from . import reduce",
            "primitives/reduce": "from .shape import reshape",
        }
    )
    (fault,) = faults(made)
    assert fault.startswith("an import cycle: ")
    assert all(name in fault for name in ("shape", "index", "reduce"))


def test_a_cycle_through_a_function_is_no_cycle_at_import(package):
    made = package(
        {
            "primitives/__init__": "",
            "primitives/shape": "from .index import take",
            "primitives/index": "def f():\n    from .shape import reshape",
        }
    )
    assert faults(made) == []


def test_a_file_without_a_layer_is_told_where_it_belongs(package):
    (fault,) = faults(package({"errors": "", "helpers": ""}))
    assert "helpers.py belongs to no layer" in fault
    assert "tests/test_layers.py" in fault
