"""What FP-NAS does before and after each epoch."""

import keras
from keras import ops

from keras_nas.search.most_probable import most_probable_within
from keras_nas.training.slots import begin_anew


class Schedule(keras.callbacks.Callback):
    """Warms up, converts, and chooses what the distribution has learned."""

    def on_epoch_begin(self, epoch, logs=None):
        search = self.model
        is_warming_up = epoch < search.warmup_epochs
        if is_warming_up != search.is_warming_up:
            search.is_warming_up = is_warming_up
            search.make_train_function(force=True)
        converts = search.converts and epoch >= search.joint_epoch
        if converts and not search.distribution.is_joint:
            search.distribution.convert()
            begin_anew(search.logits_optimizer, search.initial_slots)

    def on_epoch_end(self, epoch, logs=None):
        search, logs = self.model, {} if logs is None else logs
        search.choose_indices(search.distribution.most_probable())
        entropy = ops.convert_to_numpy(search.distribution.entropy())
        logs["entropy"] = float(entropy)
        logs["decided_cost"] = search.decided_cost()
        if search.is_warming_up:
            logs.pop("architecture_loss", None)  # There was none.

    def on_train_end(self, logs=None):
        search = self.model
        indices = most_probable_within(
            search.distribution,
            search.model,
            search.regularizer,
            search.target,
        )
        search.choose_indices(indices)
