"""XLA's compiler for TPUs, which needs no TPU, and what modules may not have.

It is in the package libtpu, and JAX hands it modules, of whichever framework.
"""

import dataclasses
import importlib.metadata
import os
import re

from tools.option_benchmarks import is_installed

# The compiler must not look for a TPU, nor for another process that uses it.
VARIABLES = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}
TOPOLOGY = "v5e:2x2"

_OPERATION = re.compile(
    r'^\s*(?:%[^=]*= )?"?((?:stablehlo|chlo|mhlo|shape)\.\w+)', re.MULTILINE
)
_UNKNOWN_SIZE = re.compile(r"tensor<[^>]*\?[^>]*>")
_CALL = re.compile(
    r"custom_call\"?(?: @([\w.$]+)|.*?call_target_name = \"([^\"]+)\")"
)
_COPY = re.compile(r"mhlo\.copy (%[\w#]+) : (tensor<[^>]*>)")

# Their results have sizes that are values of a step.
_DYNAMIC = {
    "dynamic_broadcast_in_dim",
    "dynamic_conv",
    "dynamic_gather",
    "dynamic_iota",
    "dynamic_pad",
    "dynamic_reshape",
    "get_dimension_size",
    "real_dynamic_slice",
    "set_dimension_size",
}
_TRANSFERS = {"infeed", "outfeed", "recv", "send"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the compiler plans for one core, in bytes.

    Attributes:
        arguments: Of weights, optimizers, statistics and the batch.
        temporaries: Of all that is kept or computed in between.
        hbm: Of both, of results that take the place of no argument, and of
            the program; or the compiler's own peak, if that is more.
    """

    arguments: int
    temporaries: int
    hbm: int


class CompileError(Exception):
    """The compiler has not made a program of a module.

    Attributes:
        is_too_large: Boolean, whether it only lacks memory.
    """

    def __init__(self, message, is_too_large=False):
        super().__init__(message)
        self.is_too_large = is_too_large


def check_installed():
    """Raises an `ImportError` if there is no compiler."""
    missing = [p for p in ("jax", "libtpu") if not is_installed(p)]
    if missing:
        raise ImportError(
            "The compiler for TPUs needs the packages jax and libtpu. Not "
            f"installed: {', '.join(missing)}. Install them with "
            "`pip install -e '.[tpu]'`; no TPU is needed."
        )


class Compiler:
    """The compiler for one kind of TPU.

    Args:
        topology: String, the kind and number of cores, such as `"v5e:2x2"`.

    Attributes:
        cores: Integer, how many there are.
        kind: String, what the cores are called.

    Raises:
        ImportError: If there is no compiler.
        ValueError: If there is no such topology.
    """

    def __init__(self, topology=TOPOLOGY):
        check_installed()
        os.environ.update(VARIABLES)
        from jax.experimental import topologies

        try:
            devices = topologies.get_topology_desc(topology, "tpu").devices
        except Exception as error:  # JAX's own are of several kinds.
            raise ValueError(
                "Invalid value received for argument `topology`. Expected one "
                "that libtpu knows, such as 'v5e:2x2'. Received: "
                f"topology={topology!r} ({first_line(error)})"
            ) from error
        self.cores, self._device = len(devices), devices[0]
        self.kind = self._device.device_kind

    def plan(self, text):
        """Compiles a module for one core.

        Args:
            text: String, StableHLO.

        Returns:
            A `Plan`.

        Raises:
            CompileError: If it does not compile.
        """
        import jax
        import numpy as np
        from jax._src.interpreters import mlir  # They have no other names.
        from jax._src.lib import xla_client
        from jax._src.lib.mlir import ir

        options = xla_client.CompileOptions()
        options.device_assignment = xla_client.DeviceAssignment.create(
            np.array([[self._device.id]])
        )
        devices = xla_client.DeviceList((self._device,))
        with mlir.make_ir_context() as context:
            context.allow_unregistered_dialects = True
            try:
                module = ir.Module.parse(without_copies(text))
                program = self._device.client.compile(module, devices, options)
            except (ir.MLIRError, jax.errors.JaxRuntimeError) as error:
                is_too_large = "RESOURCE_EXHAUSTED" in str(error)
                message = first_line(error)
                raise CompileError(message, is_too_large) from error
        memory = program.get_compiled_memory_stats()
        arguments = memory.argument_size_in_bytes
        temporaries = memory.temp_size_in_bytes
        results = memory.output_size_in_bytes - memory.alias_size_in_bytes
        program = memory.generated_code_size_in_bytes
        return Plan(
            arguments=arguments,
            temporaries=temporaries,
            hbm=max(
                arguments + temporaries + results + program,
                memory.peak_memory_in_bytes,
            ),
        )


def without_copies(text):
    """Returns a module in which TensorFlow's copies are identities.

    JAX does not know them; XLA copies where it must.

    Args:
        text: String, StableHLO.
    """
    return _COPY.sub(r"stablehlo.reshape \1 : (\2) -> \2", text)


def count_operations(text):
    """Returns how many operations a module has, an integer."""
    return len(_OPERATION.findall(text))


def find_faults(text):
    """Returns what a module has that no step on a TPU may have.

    Slices at places that are values of a step are no fault: their sizes are
    known.

    Args:
        text: String, StableHLO.

    Returns:
        List of strings, such as `"dynamic shape: tensor<?xf32>"`.
    """
    faults = {f"dynamic shape: {t}" for t in _UNKNOWN_SIZE.findall(text)}
    for name in _OPERATION.findall(text):
        dialect, operation = name.split(".")
        if operation in _DYNAMIC or dialect == "shape":
            faults.add(f"dynamic operation: {name}")
        elif operation in _TRANSFERS:
            faults.add(f"transfer to the host: {name}")
    for names in _CALL.findall(text):
        faults.add(f"call of the host: {''.join(names)}")
    return sorted(faults)


def first_line(error):
    """Returns the first line of what an error says."""
    return [*str(error).strip().splitlines(), type(error).__name__][0][:300]


def version_of(package):
    """Returns the version of an installed package, or `None`."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
