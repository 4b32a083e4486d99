"""One place of the package opens files by their paths, and so every file is read and written by its rules."""

import ast
from pathlib import Path

import seriatim._files as files

PACKAGE = Path(files.__file__).parent

# Methods and functions, of Python and of the libraries in use, that read or write a file when they are given a path.
DOORS = {
    *("open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "mkstemp", "NamedTemporaryFile"),
    *("copyfile", "copy2", "fromfile", "tofile", "memmap", "genfromtxt", "loadtxt", "savetxt", "savez", "imsave"),
    *("save_file", "load_file", "safe_open", "OSFile", "memory_map", "read_table", "to_parquet", "to_csv", "to_json"),
    *("savefig", "write_table", "ParquetFile"),
}
# Those that are given bytes in memory, what comes with the package, or no file.
ALLOWED = {
    ("cli/_faults.py", "open"): "os.devnull, where the process has no output",
    ("cli/_policies.py", "open"): "Run.open",
    ("cli/_runs.py", "savefig"): "into memory",
    ("cli/_train.py", "open"): "Run.open",
    ("rendering/_save.py", "read_text"): "a file of the package",
    ("training/runs/_metrics.py", "ParquetFile"): "from memory",
    ("training/runs/_metrics.py", "write_table"): "into memory",
}
# Functions of ours with such a name, called by it.
OURS = {"load_file", "read_bytes", "read_text"}


def doors(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DOORS:
            yield node.func.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DOORS - OURS:
            yield node.func.id


def test_no_other_place_opens_files():
    places = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    found = {(place, name) for place, path in places.items() if place != "_files.py" for name in doors(path)}
    assert not found - ALLOWED.keys(), "read and write by seriatim._files"
