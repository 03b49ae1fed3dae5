"""A search whose network gets smaller while it is trained."""

import json

import keras
import numpy as np

from keras_nas.graph import flow_of
from keras_nas.search.mask_search import MaskSearch
from keras_nas.slicing import slice_model
from keras_nas.slicing.shrinking import shrink_model
from keras_nas.spaces.architecture import Architecture
from keras_nas.training.slots import build_with_slots
from keras_nas.training.slots import carry_over


class ShrinkingSearch(MaskSearch):
    """Base class of searches that cut channels out while they train.

    `shrink` puts a smaller model in the place of the one that is trained;
    weights, optimizer slots, averages and the states of random generators go
    on. What is said of the search, as `architecture()`, is in terms of the
    model that it began with.

    Args:
        model: A built model with `AtomicBlockScale` layers.
        regularizer: An `ExpectedCost`.
        ramp: As in `MaskSearch`.
        **kwargs: `keras.Model` keyword arguments, such as `name`.
    """

    def __init__(self, model, regularizer=None, ramp=0.6, **kwargs):
        super().__init__(model, regularizer, ramp, **kwargs)
        self.full_architecture = Architecture(
            flow_of(model).graph.name,
            {
                mask.name: list(range(len(mask.probabilities())))
                for mask in flow_of(model).masks
            },
        )
        _, report = slice_model(model, self.full_architecture, True)
        self._full_layers = report.layers
        # By name of a mask: which of its channels at the start it has now.
        self._kept = {
            name: np.array(channels)
            for name, channels in self.full_architecture.decisions.items()
        }

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        slots = self._in_scope(
            build_with_slots, self.optimizer, self.trainable_variables
        )
        # A function, or the slots would become variables of this model.
        self._slots = lambda: slots

    def fit(self, *args, callbacks=None, **kwargs):
        for callback in keras.tree.flatten(callbacks or []):
            if getattr(callback, "restore_best_weights", False):
                raise ValueError(
                    "The best weights may be those of a larger network, "
                    "which are gone after channels were cut out. Expected "
                    "callbacks without `restore_best_weights=True`. Received: "
                    f"{type(callback).__name__}. Leave it out, or save what "
                    "`export_model()` returns after each epoch."
                )
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def model_changed(self):
        """Is called when another model has taken the place of `model`."""

    def shrink(self, scales):
        """Cuts channels out, and goes on with what is left.

        Args:
            scales: List with the switches of every mask of `model`.
        """
        model, origins = self._in_scope(shrink_model, self.model, scales)
        moved = {id(origin.variable): origin for origin in origins}
        kept = dict.fromkeys(self._kept, np.zeros(0, int))
        for mask in flow_of(model).masks:
            index = moved[id(mask.moving_average)].index
            kept[mask.name] = self._kept[mask.name][index]
        self._kept = kept
        self._go_on(model, origins)

    def _go_on(self, model, origins):
        # Keras has no public way to replace a layer of a built model.
        place = self._layers.index(self.model)
        self._tracker.unlock()
        self._tracker.untrack(self.model)
        self.model = model
        # Where the other was, or the variables would be in another order.
        self._layers.insert(place, self._layers.pop())
        if self.optimizer is not None:
            self.optimizer, slots = self._in_scope(
                carry_over,
                self.optimizer,
                self._slots(),
                self.trainable_variables,
                origins,
                self.mask_variables(),
            )
            self._slots = lambda: slots
        self._tracker.lock()
        self.model_changed()
        for name in ("train", "test", "predict"):
            if getattr(self, f"{name}_function", None) is not None:
                getattr(self, f"make_{name}_function")(force=True)

    def _in_scope(self, function, *args):
        strategy = getattr(self, "distribute_strategy", None)
        if strategy is None:
            return function(*args)
        with strategy.scope():
            return function(*args)

    def structure(self):
        """Returns the present model without its weights, as plain data."""
        return {
            "model": json.loads(self.model.to_json()),
            "kept": {name: k.tolist() for name, k in self._kept.items()},
        }

    def restore_structure(self, structure):
        """Goes on with a model that `structure` has described.

        Args:
            structure: What `structure()` returned, perhaps read from a file.
                Weights and optimizer slots are new.
        """
        model = self._in_scope(
            keras.models.model_from_json, json.dumps(structure["model"])
        )
        self._kept = {
            name: np.array(kept, int)
            for name, kept in structure["kept"].items()
        }
        self._go_on(model, [])

    def atoms_alive(self):
        """Returns the share of all atomic blocks that is alive now."""
        alive = sum((scale != 0).sum() for scale in self.decided_scales())
        total = sum(map(len, self.full_architecture.decisions.values()))
        return float(alive / total)

    def architecture(self):
        """Returns which channels of the full model are alive now."""
        masks = flow_of(self.model).masks
        decisions = dict.fromkeys(self._kept, [])
        for mask, scale in zip(masks, self.decided_scales(), strict=True):
            alive = self._kept[mask.name][scale != 0]
            decisions[mask.name] = [int(i) for i in alive]
        return Architecture(self.full_architecture.name, decisions)

    def export_model(self, return_report=False):
        model, report = super().export_model(return_report=True)
        if not return_report:
            return model
        now = {row[0]: row[2] for row in report.layers}
        report.layers = [
            (name, kind, now[name], total)
            for name, kind, _, total in self._full_layers
            if name in now
        ]
        report.removed = [
            name for name, _, _, _ in self._full_layers if name not in now
        ]
        return model, report
