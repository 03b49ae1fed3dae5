"""Checks that the BUILD files say what the Python files import.

    python tools/check_build.py

Every Python file of `FOLDERS` must belong to exactly one py_library, each of
which must depend on the libraries of the files that it imports, on no others,
and not on itself by a detour. Prints what is wrong and where.
"""

import ast
import dataclasses
import pathlib
import sys

FOLDERS = ("experiments", "keras_nas", "tools")
_ALL = "//keras_nas:keras_nas"  # Stands for all libraries below it.


@dataclasses.dataclass
class Library:
    """One py_library: its label, files, and the labels it depends on."""

    label: str
    files: set
    deps: set


def find_problems(root):
    """Returns what is wrong with the BUILD files, a list of sentences.

    Args:
        root: Path of the repository.
    """
    root = pathlib.Path(root)
    libraries, problems = {}, []
    for folder in FOLDERS:
        for build in sorted((root / folder).rglob("BUILD")):
            for library in _read_build(root, build):
                libraries[library.label] = library
    owners = {}
    for library in libraries.values():
        for file in library.files:
            if not (root / file).is_file():
                problems.append(f"{library.label} has no file {file}.")
            if file in owners:
                problems.append(
                    f"{file} is in {owners[file]} and {library.label}."
                )
            owners[file] = library.label
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            if str(path.relative_to(root)) not in owners:
                problems.append(f"No library has {path.relative_to(root)}.")
    for library in libraries.values():
        problems += _compare(root, library, owners)
    return problems + _find_cycles(libraries)


def _read_build(root, build):
    """Yields the libraries of a BUILD file."""
    folder = build.parent.relative_to(root).as_posix()
    for node in ast.parse(build.read_text()).body:
        call = getattr(node, "value", None)
        if not isinstance(call, ast.Call) or call.func.id != "py_library":
            continue
        values = {k.arg: k.value for k in call.keywords}
        deps = ast.literal_eval(values.get("deps", ast.List([])))
        files = _files(build.parent, values["srcs"])
        yield Library(
            _full_label(f":{ast.literal_eval(values['name'])}", folder),
            {f"{folder}/{file}" for file in files},
            {_full_label(dep, folder) for dep in deps},
        )


def _files(folder, srcs):
    """Returns the files of a list or a glob, relative to the folder."""
    if not isinstance(srcs, ast.Call):
        return set(ast.literal_eval(srcs))
    excluded = [k.value for k in srcs.keywords if k.arg == "exclude"]
    included, excluded = (
        {
            path.relative_to(folder).as_posix()
            for pattern in ast.literal_eval(patterns)
            for path in folder.glob(pattern)
            if not _belongs_below(path, folder)
        }
        for patterns in (srcs.args[0], (excluded or [ast.List([])])[0])
    )
    return included - excluded


def _belongs_below(path, folder):
    """Whether a file is of a folder below that has its own BUILD file."""
    between = path.relative_to(folder).parents
    return any((folder / b / "BUILD").exists() for b in list(between)[:-1])


def _full_label(label, folder):
    """Returns `//a/b:b` for `//a/b`, and for `:b` in the folder a/b."""
    if label.startswith(":"):
        return f"//{folder}{label}"
    return label if ":" in label else f"{label}:{label.rpartition('/')[2]}"


def _compare(root, library, owners):
    needed = {}
    for file in sorted(library.files):
        if (root / file).is_file():
            for imported in _imported_files(root, file):
                needed.setdefault(owners.get(imported), (file, imported))
    needed.pop(library.label, None)
    needed.pop(None, None)
    if _ALL in library.deps:
        for label in [*needed]:
            if label != _ALL and label.startswith("//keras_nas"):
                del needed[label]
    missing = [
        f"{library.label} lacks the dependency {label}: {needed[label][0]} "
        f"imports {needed[label][1]}."
        for label in sorted(set(needed) - library.deps)
    ]
    unused = set() if library.label == _ALL else library.deps - set(needed)
    return missing + [
        f"{library.label} does not need the dependency {label}."
        for label in sorted(unused)
    ]


def _imported_files(root, file):
    """Yields the files of the repository that a file imports."""
    for node in ast.walk(ast.parse((root / file).read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module, alias.name) for alias in node.names]
        for module, name in names:
            path = root / module.replace(".", "/")
            candidates = [path.with_suffix(".py"), path / "__init__.py"]
            if name is not None:
                inner = [path / f"{name}.py", path / name / "__init__.py"]
                candidates = inner + candidates
            for candidate in candidates:
                if candidate.is_file():
                    yield candidate.relative_to(root).as_posix()
                    break


def _find_cycles(libraries):
    """Returns a sentence about a library that needs itself, if there is one."""
    finished = set()

    def visit(label, path):
        if label in path:
            cycle = [*path[path.index(label) :], label]
            return [f"Libraries need each other: {' -> '.join(cycle)}."]
        if label in finished or label not in libraries:
            return []
        finished.add(label)
        for dep in sorted(libraries[label].deps):
            found = visit(dep, [*path, label])
            if found:
                return found
        return []

    for label in libraries:
        found = visit(label, [])
        if found:
            return found
    return []


if __name__ == "__main__":
    found = find_problems(pathlib.Path(__file__).resolve().parents[1])
    for problem in found:
        print(problem)
    sys.exit(bool(found))
