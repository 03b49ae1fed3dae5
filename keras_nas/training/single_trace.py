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
        else:  # Of what is known of the data, without reading any.
            self._symbolic_build(data_batch=dataset.element_spec)
