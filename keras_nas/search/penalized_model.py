"""A model with masks whose loss includes the penalty of its expected cost."""

from keras_nas.training.single_trace import SingleTrace


class PenalizedModel(SingleTrace):
    """Trains a model with masks on the task loss plus the penalty of a cost.

    Args:
        model: A built model with masks.
        regularizer: An `ExpectedCost`.
        controller: The `BudgetController` that says how strong the penalty is.
        **kwargs: `keras.Model` keyword arguments, such as `name`.
    """

    def __init__(self, model, regularizer, controller, **kwargs):
        super().__init__(**kwargs)
        self.model = model
        self.regularizer = regularizer
        self.controller = controller
        self._penalty = None

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        self._penalty = self.penalty(training)
        try:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        finally:
            self._penalty = None

    def penalty(self, training):
        """Returns what is added to the loss in a step, `None` for nothing.

        Args:
            training: Boolean; in training the controller takes a step.
        """
        cost = self.regularizer(self.model) / self.controller.full
        if training:
            self.controller.update(cost)
        return self.controller.strength() * cost

    @property
    def losses(self):
        penalty = [] if self._penalty is None else [self._penalty]
        return [*super().losses, *penalty]

    def get_config(self):
        raise NotImplementedError(
            "A search is not saved as a whole. Save its weights with "
            "`save_weights`, the model with masks with `search.model.save`, "
            "or the decided network with `search.export_model().save`; "
            "`keras_nas.training.Checkpoint` saves all to resume a training."
        )
