"""The BUILD files are true, and their check finds it when they are not."""

import pathlib

import pytest

from tools.check_build import find_problems

FILES = {
    "keras_nas/BUILD": """
py_library(
    name = "keras_nas",
    srcs = ["__init__.py"],
    deps = ["//keras_nas/a"],
)
""",
    "keras_nas/__init__.py": "from keras_nas.a import one\n",
    "keras_nas/a/BUILD": """
py_library(
    name = "a",
    srcs = glob(["**/*.py"], exclude = ["two.py"]),
    deps = [":two"],
)
py_library(name = "two", srcs = ["two.py"])
""",
    "keras_nas/a/__init__.py": "",
    "keras_nas/a/one.py": "import numpy\nfrom keras_nas.a import two\n",
    "keras_nas/a/two.py": "",
    "tools/BUILD": """
py_library(name = "tools", srcs = glob(["*.py"]), deps = ["//keras_nas"])
""",
    "tools/tool.py": "import keras_nas\nfrom keras_nas.a import one\n",
}


@pytest.fixture
def root(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def test_the_build_files_of_the_repository_are_true():
    root = pathlib.Path(__file__).resolve().parents[2]
    assert find_problems(root) == []


def test_true_build_files_have_no_problems(root):
    assert find_problems(root) == []


@pytest.mark.parametrize(
    "file, content, problem",
    [
        (
            "keras_nas/a/two.py",
            "import keras_nas.a.one\n",
            "//keras_nas/a:two lacks the dependency //keras_nas/a:a: "
            "keras_nas/a/two.py imports keras_nas/a/one.py.",
        ),
        (
            "keras_nas/a/one.py",
            "",
            "//keras_nas/a:a does not need the dependency //keras_nas/a:two.",
        ),
        ("keras_nas/new.py", "", "No library has keras_nas/new.py."),
        ("keras_nas/a/b/deep.py", "import keras_nas.a.two\n", None),
        (
            "keras_nas/a/BUILD",
            'py_library(name = "a", srcs = ["one.py", "__init__.py"])\n'
            'py_library(name = "b", srcs = glob(["*.py"]))\n',
            "keras_nas/a/one.py is in //keras_nas/a:a and //keras_nas/a:b.",
        ),
        (
            "keras_nas/a/BUILD",
            'py_library(name = "a", srcs = ["gone.py"])\n',
            "//keras_nas/a:a has no file keras_nas/a/gone.py.",
        ),
    ],
)
def test_what_is_wrong_is_told(root, file, content, problem):
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(content)
    problems = find_problems(root)
    assert problem in problems if problem else not problems


def test_libraries_that_need_each_other_are_told(root):
    build = root / "keras_nas/a/BUILD"
    text = build.read_text().replace(
        '["two.py"])\n', '["two.py"], deps = [":a"])\n'
    )
    build.write_text(text)
    (root / "keras_nas/a/two.py").write_text("import keras_nas.a.one\n")
    (problem,) = find_problems(root)
    assert problem.startswith("Libraries need each other: //keras_nas/a:")
