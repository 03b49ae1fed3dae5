"""A first step that is traced once, not twice."""

import keras


class SingleTrace(keras.Model):
    """A model whose metrics are made before its first step is traced.

    Keras makes them in that step, and TensorFlow traces a function anew that
    has made variables, which doubles what a large model has to wait for.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        dataset = getattr(iterator, "_distributed_dataset", None)
        if self._distribute_strategy is not None or dataset is None:
            super()._maybe_symbolic_build(iterator, data_batch)
        else:
            make_variables(self, dataset)


def make_variables(model, dataset):
    """Makes the variables of metrics and optimizer, if not made already.

    That is what `SingleTrace` does, for models of other classes.

    Args:
        model: A compiled `keras.Model`.
        dataset: The `tf.data.Dataset` that it will be fitted to.
    """
    has_strategy = getattr(model, "_distribute_strategy", None) is not None
    if not has_strategy and not model.run_eagerly:
        # Of what is known of the data, without reading any.
        model._symbolic_build(data_batch=dataset.element_spec)
