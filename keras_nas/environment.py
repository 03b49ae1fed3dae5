"""Versions and machine: what a figure depends on besides the code."""

import importlib.metadata
import os
import pathlib
import platform

from keras_nas.version import __version__

_PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert")


def environment():
    """Returns the versions and the machine that a figure was measured with.

    Nothing is imported or initialized for it.

    Returns:
        Dictionary of plain data for JSON. `"versions"` maps python,
        keras_nas and the packages that compute to their versions, `None` for
        those that are not installed. `"machine"` has `"processor"`,
        `"machine"` (the architecture), `"system"` and `"num_cpus"` (those
        that this process may use).

    Example:

    >>> from keras_nas.report import environment
    >>> sorted(environment()["machine"])
    ['machine', 'num_cpus', 'processor', 'system']
    """
    versions = {
        "python": platform.python_version(),
        "keras_nas": __version__,
        **{package: _version(package) for package in _PACKAGES},
    }
    machine = {
        "processor": _processor(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "num_cpus": _num_cpus(),
    }
    return {"versions": versions, "machine": machine}


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor():
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _num_cpus():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()
