r"""MorphNet: the baseline of penalized scales; search, retrain, export.

    python -m experiments.morphnet --output_dir=runs/morphnet

is to `experiments.figs` what `keras_nas.search.MorphNet` is to FiGS: the same
networks, data and budgets, and the same stages.
"""

import functools

import keras_nas
from experiments import experiment
from experiments.figs import FiGS
from experiments.morphnet_presets import MORPHNET


class MorphNet(FiGS):
    """Penalized scales, or kernels, of any network."""

    name, module, presets = "MorphNet", "morphnet", MORPHNET
    searcher = keras_nas.search.MorphNet

    def mask(self, preset):
        return functools.partial(
            keras_nas.layers.MorphNetMask,
            threshold=preset.threshold,
            factor=preset.factor,
        )


if __name__ == "__main__":
    experiment.main(MorphNet())
