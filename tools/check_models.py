"""Cuts the models of `keras.applications` and checks what comes out.

    python -m tools.check_models
    python -m tools.check_models ResNet50 VGG16 --litert ResNet50
    python -m tools.check_models --all --csv runs/check_models.csv

Each model is built at its full default input size with random weights and
BatchNorm statistics, gets masks, which close at random, and is sliced. A row
passes if the sliced model

* computes what the masked model does: the largest difference is at most 1e-5
  of the largest logit; or, where float32's rounding alone makes more of the
  random network, 1e-9 in float64,
* costs, counted by its shapes, what `ExpectedFLOPs` and `ExpectedParams` in
  float64, and `decided_cost`, say of the masked model, to the last integer,
* has no layers but those of Keras, and survives being saved and loaded,
* if it is converted (`--litert`), computes the same in LiteRT, to 1e-4:
  the kernels there sum in another order,

and if the masks, all open, did not change the original model. The first
network of each family is checked by default.
"""

import argparse
import csv
import datetime
import gc
import pathlib
import sys

import keras

from keras_nas.report import environment
from tools.model_checking import LITERT_RTOL
from tools.model_checking import RTOL
from tools.model_checking import build_model
from tools.model_checking import check_model

SMALLEST = (
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "ResNet50",
    "ResNet50V2",
    "DenseNet121",
    "InceptionV3",
    "InceptionResNetV2",
    "Xception",
    "NASNetMobile",
    "VGG16",
    "ConvNeXtTiny",
)
CONVERTED = ("MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "ResNet50")

FLOAT64_RTOL = 1e-9

# Column of the row -> (heading, width, format of its numbers).
COLUMNS = {
    "model": ("model", -18, ""),
    "masks": ("masks", 5, ""),
    "params_before": ("params", 11, ","),
    "params_after": ("sliced", 11, ","),
    "macs_before": ("MACs", 14, ","),
    "macs_after": ("sliced", 14, ","),
    "difference": ("difference", 10, ".1e"),
    "expected_equals_counted": ("expected", 8, ""),
    "litert_difference": ("LiteRT", 8, ".1e"),
    "seconds": ("seconds", 7, ".1f"),
    "result": ("result", -1, ""),
}


def find_models():
    """Returns the names of all networks in `keras.applications`."""
    values = vars(keras.applications).items()
    return sorted(n for n, v in values if callable(v) and n[0].isupper())


def check_named(name, seed=0, litert=False):
    """Builds and checks a network of keras.applications; returns a row.

    Some random networks are so sensitive that float32's rounding alone moves
    their outputs by more than is allowed. What fails is looked at again in
    float64, which tells rounding from errors.
    """
    try:
        row = check_model(build_model(name), name, seed, litert)
        if row["result"] == "pass":
            return row
        keras.config.set_dtype_policy("float64")
        exact = check_model(build_model(name), name, seed)
        if exact["result"] == "pass" and exact["difference"] < FLOAT64_RTOL:
            row["result"] = f"pass (float64: {exact['difference']:.1e})"
        return row
    except Exception as error:  # The other models go on.
        lines = [*str(error).splitlines(), ""]
        message = f"FAIL: {type(error).__name__}: {lines[0][:300]}"
        return {**dict.fromkeys(COLUMNS), "model": name, "result": message}
    finally:
        keras.config.set_dtype_policy("float32")
        keras.utils.clear_session()
        gc.collect()


def format_row(row):
    """Returns a row as a line of the table."""
    cells = []
    for key, (_, width, form) in COLUMNS.items():
        value = "-" if row[key] is None else row[key]
        text = value if isinstance(value, str) else f"{value:{form}}"
        cells.append(text.ljust(-width) if width < 0 else text.rjust(width))
    return "  ".join(cells)


def write_csv(path, rows, command):
    """Writes rows, each with the date, the versions and the machine."""
    facts = environment()
    shared = {
        "date": datetime.date.today().isoformat(),
        **facts["versions"],
        "processor": facts["machine"]["processor"],
        "num_cpus": facts["machine"]["num_cpus"],
        "command": command,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *shared], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, **shared})


def _parse(arguments):
    known = find_models()
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--all", action="store_true", help="check all of keras.applications"
    )
    parser.add_argument(
        "--litert",
        nargs="*",
        metavar="NAME",
        help="models to convert too; none switches it off. By default "
        f"{', '.join(CONVERTED)}, where these are among the models.",
    )
    parser.add_argument("--csv", type=pathlib.Path, help="file to write")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args(arguments)
    if flags.all and flags.names:
        parser.error("pass names or --all, not both")
    flags.names = flags.names or (known if flags.all else list(SMALLEST))
    if flags.litert is None:
        flags.litert = [name for name in CONVERTED if name in flags.names]
    for name in [*flags.names, *flags.litert]:
        if name not in known:
            parser.error(f"unknown model {name!r}; one of {', '.join(known)}")
        if name not in flags.names:
            parser.error(f"{name} of --litert is not among the models")
    return flags


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    flags = _parse(arguments)
    command = " ".join(["python -m tools.check_models", *arguments])
    header = {key: heading for key, (heading, *_) in COLUMNS.items()}
    print(format_row(header), flush=True)
    rows = []
    for name in flags.names:
        row = check_named(name, flags.seed, name in flags.litert)
        rows.append(row)
        print(format_row(row), flush=True)
        if flags.csv:
            write_csv(flags.csv, rows, command)
    failed = [
        row["model"] for row in rows if not row["result"].startswith("pass")
    ]
    facts = environment()
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
    machine = facts["machine"]
    print(
        f"\n{len(rows) - len(failed)} of {len(rows)} models pass; allowed are "
        f"differences of {RTOL:.0e}, in LiteRT {LITERT_RTOL:.0e}, of the "
        "largest output.\nseconds: inserting the masks and slicing.\n"
        f"{datetime.date.today()}, {versions}, {machine['num_cpus']} cores of "
        f"{machine['processor']}, {machine['system']}\n{command}"
    )
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
