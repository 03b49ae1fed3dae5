"""The names that are promised, and what the sources must not contain."""

import ast
import importlib
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = sorted((ROOT / "keras_nas").rglob("*.py"))
NAMES = {
    "keras_nas": [
        "Architecture",
        "BlockChoice",
        "ChannelMask",
        "ElasticMBConv",
        "ExpectedFLOPs",
        "ExpectedLatency",
        "ExpectedParams",
        "FiGSMask",
        "LatencyTable",
        "LogisticSigmoidMask",
        "ResolutionSubsample",
        "SplitAttention",
        "count_cost",
        "insert_masks",
        "measure_latency",
        "recalibrate_batch_norm",
        "slice_model",
    ],
    "keras_nas.costs": ["ExpectedLatency", "LatencyTable"],
    "keras_nas.export": [
        "export_litert",
        "export_saved_model",
        "measure_latency",
        "verify_export",
    ],
    "keras_nas.layers": [
        "ElasticBottleneck",
        "ElasticBranch",
        "ElasticChoice",
        "ElasticResidual",
        "ElasticSwitch",
        "ElasticZeros",
        "OwnChannels",
        "running_child",
    ],
    "keras_nas.search": [
        "ArchitectureDistribution",
        "BigNAS",
        "CoarseToFine",
        "DMaskingNAS",
        "Evaluations",
        "EvolutionarySearch",
        "FPNAS",
        "FiGS",
        "WidthMultiplier",
        "coarse_grid",
    ],
    "keras_nas.spaces": [
        "AtomNASSpace",
        "BigNASSpace",
        "ChannelSpace",
        "FBNetSpace",
        "FPNASSpace",
        "MBConvSpace",
        "MaskedModelSpace",
        "OneShotSpace",
        "SearchSpace",
        "atom_nas",
        "big_nas",
        "fbnet",
        "fbnet_v2_f",
        "fbnet_v2_largest",
        "fp_nas_f",
        "fp_nas_f_fine",
        "fp_nas_f_plus",
        "fp_nas_l",
        "one_shot",
        "released_architecture",
        "small_atom_nas",
        "small_big_nas",
        "small_fp_nas",
        "small_one_shot",
    ],
    "keras_nas.training": [
        "Checkpoint",
        "FiniteLoss",
        "Recipe",
        "SmoothedCrossentropy",
        "add_stochastic_depth",
        "find_strategy",
        "make_distiller",
        "synchronized_batch_norm",
    ],
}
# All others also run under the JAX and PyTorch backends.
WITH_TENSORFLOW = ("compiling.py", "data", "export", "training")
# Split, so that this file may be searched as well.
MACHINE_PATHS = re.compile(r"(?<![\w.~)}\]/])/" + r"(work|tmp|root)/")
TEXT = (".bzl", ".cfg", ".ini", ".json", ".md", ".py", ".sh", ".toml", ".txt")


def relative(path):
    return str(path.relative_to(ROOT))


def text_files():
    """Returns the repository's text files, also where git does not run."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        paths = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        folders = ("keras_nas", "experiments", "tests", "tools")
        paths = [p for name in folders for p in (ROOT / name).rglob("*")]
        paths.extend(ROOT.iterdir())
    named = ("BUILD", "WORKSPACE", "Dockerfile", "run")
    return [
        path
        for path in paths
        if path.is_file() and (path.suffix in TEXT or path.name in named)
    ]


def modules_of(tree):
    """Returns the names of all modules that a syntax tree imports."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.extend(f"{node.module}.{a.name}" for a in node.names)
    return names


@pytest.mark.parametrize(
    "module, name",
    [(module, name) for module, names in NAMES.items() for name in names],
)
def test_promised_name_is_public(module, name):
    module = importlib.import_module(module)
    assert name in module.__all__
    assert callable(getattr(module, name))


def test_no_text_mentions_paths_of_a_machine():
    paths = text_files()
    assert ROOT / "pyproject.toml" in paths
    found = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_library_keeps_to_what_is_safe_and_portable(path):
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="tf"), attr="keras"):
                found.append((node.lineno, "tf.keras"))
            case ast.Attribute(attr="Lambda") | ast.Name(id="Lambda"):
                found.append((node.lineno, "Lambda"))
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                found.append((node.lineno, name))
    for name in modules_of(tree):
        parts = name.split(".")
        if parts[0] in ("cloudpickle", "dill", "marshal", "pickle", "tf_keras"):
            found.append((name, "import"))
        if parts[:2] == ["tensorflow", "keras"] or parts[-1] == "Lambda":
            found.append((name, "import"))
    assert not found


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_tensorflow_stays_in_its_folders(path):
    folder = path.relative_to(ROOT / "keras_nas").parts[0]
    if folder in WITH_TENSORFLOW:
        return
    tree = ast.parse(path.read_text())
    packages = {name.split(".")[0] for name in modules_of(tree)}
    assert not packages & {"tensorflow", "tensorflow_datasets", "jax", "torch"}
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert "tf" not in names
