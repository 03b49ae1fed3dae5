"""What the masks share that choose one of several options."""

import keras
import numpy as np
from keras import ops

from keras_nas.layers import sharing
from keras_nas.layers.mask import Mask
from keras_nas.layers.mask import check_temperature


class GumbelSoftmaxMask(Mask):
    """Base class of the masks that choose one of several options.

    In training the options are weighted by a Gumbel-softmax
    (DMaskingNAS, Eq. 4),

        g_i = softmax_i((alpha_i + eps_i) / tau),    eps_i ~ Gumbel(0, 1),

    with the logits alpha and the temperature tau. There is one draw of g per
    step, the same for the whole batch and wherever the mask is applied. At
    inference the option of the largest logit is taken.

    Subclasses call `add_options` in `build`.

    Args:
        temperature: Positive float, tau at the start. It is held in a
            variable, `temperature`, for a callback to anneal: the paper
            multiplies it by exp(-0.045) after each epoch.
        decided_by: Another mask of this kind with as many options, built
            before this one. Its draws and its decision are taken over, and
            this mask has no logits of its own.
        **kwargs: Keyword arguments of `Mask`, such as `seed` and `name`.
    """

    method = "DMaskingNAS"

    def __init__(self, temperature=5.0, decided_by=None, **kwargs):
        super().__init__(**kwargs)
        if decided_by is not None and not isinstance(
            decided_by, GumbelSoftmaxMask
        ):
            raise ValueError(
                "Invalid value received for argument `decided_by`. Expected "
                "a mask that chooses one of several options, such as a "
                "`keras_nas.ChannelMask`, or None. Received: "
                f"decided_by={decided_by!r}"
            )
        self.initial_temperature = check_temperature(temperature)
        self.decided_by = decided_by

    def leader(self):
        """Returns the mask whose decision this one takes, perhaps its own."""
        return self if self.decided_by is None else self.decided_by.leader()

    def leaders(self):
        return [self.leader()]

    def identity(self):
        return id(self.leader()), self._switches.tobytes()

    def add_options(self, options, switches):
        """Adds the logits.

        Args:
            options: List of plain data, what `decision` returns.
            switches: Array of shape `(options, switches)`: what is on when an
                option is taken.
        """
        self.options = list(options)
        self._switches = np.asarray(switches, "float32")
        if self.decided_by is None:
            self.logits = self.add_weight(
                name="logits",
                shape=(len(self.options),),
                initializer="zeros",
                dtype="float32",
                autocast=False,
            )
            self.temperature = self.add_temperature()
            return
        if not self.leader().built:
            raise ValueError(
                f"Mask '{self.name}' is decided by '{self.leader().name}', "
                "which is not built yet. Call that one first."
            )
        if len(self.leader().options) != len(self.options):
            raise ValueError(
                f"Mask '{self.name}' is decided by '{self.leader().name}', so "
                "it needs as many options. Expected "
                f"{len(self.leader().options)}. Received: {self.options}"
            )

    def begin_step(self):
        if self.decided_by is None:
            super().begin_step()
        else:
            self.leader().begin_step()

    def weights_of_options(self):
        """Returns this step's Gumbel-softmax weights g, `(options,)`."""
        leader = self.leader()
        gumbel = -ops.log(-ops.log(leader.uniform()))
        scores = (leader.logits + gumbel) / leader.temperature
        return ops.exp(scores - ops.logsumexp(scores))  # A softmax.

    def weights_in_call(self, training):
        """Returns the weights of the options in a call, `(options,)`."""
        if training:
            self.begin_step()
            return self.weights_of_options()
        number = len(self.options)
        return ops.one_hot(ops.argmax(self.leader().logits), number)

    def sample(self):
        return ops.matmul(self.weights_of_options(), self._switches)

    def probabilities(self):
        return self.sample()

    def inference_scale(self):
        best = ops.argmax(self.leader().logits)
        return ops.take(ops.convert_to_tensor(self._switches), best, 0)

    def decision(self):
        best = np.argmax(ops.convert_to_numpy(self.leader().logits))
        return self.options[int(best)]

    def scale_of(self, decision):
        # A follower is given its leader's decision.
        options = self.leader().options
        known = [o for o in options if type(o) is type(decision)]
        if decision not in known:
            raise ValueError(
                f"Invalid decision for mask '{self.leader().name}'. Expected "
                f"one of {options}. Received: {decision!r}"
            )
        return self._switches[options.index(decision)]

    def scale_limits(self):
        return self._switches[0], self._switches[-1]

    def get_config(self):
        config = {**super().get_config(), **sharing.shared_config(self)}
        config["temperature"] = self.initial_temperature
        if self.decided_by is not None:
            with sharing.apart():
                config["decided_by"] = keras.saving.serialize_keras_object(
                    self.decided_by
                )
        return config

    @classmethod
    def from_config(cls, config):
        arguments = sharing.own_config(config)
        original = sharing.loaded_before(config)
        if original is not None:
            # Keras cannot load one layer into two nested models.
            return cls(**{**arguments, "decided_by": original})
        leader = config.get("decided_by")
        if isinstance(leader, dict):
            arguments["decided_by"] = sharing.loaded_before(
                leader["config"]
            ) or keras.saving.deserialize_keras_object(leader)
        mask = cls(**arguments)
        sharing.record(mask, config)
        return mask
