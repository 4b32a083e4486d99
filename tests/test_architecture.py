"""Imports point one way. The arrows are those of docs/architecture.md; this test reads the imports themselves."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "seriatim"

# Every part may import what stands to its right, and itself.
CORE = {
    *("_record", "_errors", "_files", "_numbers", "_constants", "_compile", "_mapping", "_unoptimised", "_inverse"),
    *("_structure", "_diagnosis", "_arguments", "_platform", "_moved"),
}
TYPES = CORE | {"model", "policy", "controls", "finite_horizon"}
TYPES |= {"_optional", "_preconditions", "_wrapped_model"}
ALLOWED = {
    "_errors": set(),
    "_files": {"_errors"},
    "_numbers": set(),
    "_arguments": {"_errors", "_numbers"},
    "_constants": {"_errors"},
    "_record": {"_constants", "_errors"},
    "_compile": {"_constants", "_errors", "_numbers", "_unoptimised"},
    "_mapping": set(),
    "_unoptimised": set(),
    "_inverse": set(),
    "_moved": set(),
    "_platform": set(),
    "_structure": {"_errors", "_numbers"},
    "_diagnosis": {"_errors"},
    "_optional": {"_errors", "_numbers", "controls", "model", "policy"},
    "_wrapped_model": {"_optional", "model"},
    "_preconditions": CORE | {"model", "_optional"},
    "model": {"_record"},
    "policy": {"_record", "model"},
    "controls": {"_errors"},
    "finite_horizon": {"_record", "_errors", "_arguments", "_optional", "_wrapped_model", "model", "policy"},
    "simulation": TYPES | {"lanes"},
    "lanes": {"_errors", "_moved", "_platform", "_optional"},  # _optional: for `lanes_last` alone
    "distributions": {"_errors", "_preconditions", "model"},  # model: for the type of keys alone
    "gradients": {"_record", "_errors", "_numbers", "_arguments", "_moved", "_preconditions", "model", "distributions"},
    "beliefs": TYPES | {"simulation", "distributions", "exact"},
    "parallel": {"_record", "_errors", "_arguments", "_preconditions", "model"},  # model: for the type of keys alone
    "planning": TYPES | {"simulation", "lanes", "distributions", "parallel"},
    "networks": TYPES | {"distributions"},
    "training": TYPES
    | {"simulation", "lanes", "distributions", "gradients", "parallel", "planning", "evaluation", "beliefs"}
    | {"networks"},
    "exact": TYPES | {"simulation"},
    "evaluation": TYPES | {"simulation", "parallel"},
    "testing": TYPES | {"simulation", "lanes"},
    "formats": TYPES,
    "rendering": TYPES | {"simulation"},
    "problems": TYPES | {"formats", "rendering", "beliefs", "exact"},
    "__main__": {"cli"},
    "cli": TYPES
    | {
        "simulation",
        "planning",
        "exact",
        "evaluation",
        "testing",
        "formats",
        "rendering",
        "problems",
        "training",
        "networks",
    },
}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imported(path: Path) -> set[str]:
    """The modules a file imports; `from package import file` is the file, if there is one of that name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & FILES
            others = any(f"{node.module}.{alias.name}" not in FILES for alias in node.names)
            names |= inside | ({node.module} if others else set())
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name == "seriatim" or name.startswith("seriatim.")}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part(module: str) -> str:
    return module.split(".")[1]


FILES = {module_name(path) for path in modules()}


@pytest.mark.parametrize("path", modules(), ids=module_name)
def test_imports_point_one_way(path):
    here = part(module_name(path))
    assert here in ALLOWED, f"{here} is a new part: say in this test what it may import"
    # The command line is the only part that uses the public names, as a user would.
    used = {part(name) for name in imported(path) if name != "seriatim" and is_module(name)}
    assert used <= ALLOWED[here] | {here}
    assert "seriatim" not in imported(path) or here == "cli"


def is_module(name: str) -> bool:
    place = PACKAGE.parent / Path(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def test_there_are_no_cycles_between_files():
    arrows = {module_name(p): {n for n in imported(p) if is_module(n)} - {module_name(p)} for p in modules()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name in done or name not in arrows:
            return
        for other in arrows[name]:
            visit(other, (*path, name))
        done.add(name)

    for name in arrows:
        visit(name, ())


def test_the_project_speaks_of_itself_alone():
    words = ("/work/", "TODO", "FIXME", "XXX")
    for path in modules():
        found = [word for word in words if word in path.read_text()]
        assert not found, f"{path}: {found}"
