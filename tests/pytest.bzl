"""Tests that pytest runs."""

def pytest_tests(deps = [], data = []):
    """Makes one py_test of each *_test.py of a folder.

    Args:
        deps: Libraries, besides keras_nas and what all tests share.
        data: Files that the tests read.
    """
    native.py_library(
        name = "support",
        testonly = True,
        srcs = native.glob(["*.py"], exclude = ["*_test.py"]),
        deps = deps + ["//keras_nas", "//tests:common"],
    )
    for file in native.glob(["*_test.py"]):
        native.py_test(
            name = file[:-len(".py")],
            size = "large",
            srcs = [file, "//tests:run_pytest.py"],
            args = ["$(rootpath " + file + ")"],
            data = data,
            legacy_create_init = False,
            main = "//tests:run_pytest.py",
            deps = [":support"],
        )
