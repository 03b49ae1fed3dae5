"""The sandwich rule: which children a step of BigNAS trains."""

from keras_nas.graph import flow_of
from keras_nas.search.elastic_choices import elastic_choices


class Sandwich:
    """The biggest child of a supernet, random ones, and the smallest one.

    A child is a list of `(choice, index)`, as `running_child` takes it. Its
    resolution is known when the step is traced (Appendix B): the largest one
    of the biggest child, the smallest one of the smallest, and one between
    for each random one.

    Args:
        model: A built model with elastic layers.
        random_children: Integer, N.
        resolutions: List of the resolutions to train at, or `None` for all.

    Attributes:
        choices: Dictionary from the names of the `ElasticChoice`s to them.

    Raises:
        ValueError: If the model has other masks, several choices of one name,
            or layers that take other than the first channels; or an argument
            is invalid.
    """

    def __init__(self, model, random_children, resolutions):
        flow = flow_of(model)
        self.choices = elastic_choices(flow, "BigNAS")
        if type(random_children) is not int or random_children < 0:
            raise ValueError(
                "Invalid value received for argument `random_children`. "
                "Expected an integer >= 0. Received: "
                f"random_children={random_children!r}"
            )
        self.random_children = random_children
        self._resolution = None
        if flow.resolutions is not None:
            self._resolution = flow.resolutions.mask
        self._places = self._find_places(resolutions)

    def biggest(self):
        """Returns the child of the last options."""
        return [
            (choice, self._index(choice, len(choice.options) - 1, 0))
            for choice in self.choices.values()
        ]

    def others(self):
        """Begins a step, and returns the random children and the smallest."""
        draws = []
        for choice in self.choices.values():
            choice.seed_generator.advance()
            draws.append(choice.draw(max(1, self.random_children)))
        choices = list(self.choices.values())
        children = [
            [
                (choice, self._index(choice, drawn[number], number + 1))
                for choice, drawn in zip(choices, draws, strict=True)
            ]
            for number in range(self.random_children)
        ]
        return [*children, [(c, self._index(c, 0, -1)) for c in choices]]

    def _index(self, choice, index, place):
        return self._places[place] if choice is self._resolution else index

    def _find_places(self, resolutions):
        """Returns the index of the resolution of each child.

        Random children get those between the largest and the smallest; some
        several times if there are not enough, some evenly spread if there are
        too many.
        """
        choice = self._resolution
        options = [] if choice is None else choice.options
        if resolutions is None:
            resolutions = options
        is_list = isinstance(resolutions, (list, tuple))
        valid = is_list and all(r in options for r in resolutions)
        if not valid or (options and not resolutions):
            raise ValueError(
                "Invalid value received for argument `resolutions`. Expected "
                f"some of those of the model, {options}. Received: "
                f"resolutions={resolutions!r}"
            )
        if choice is None:
            return []
        places = sorted({options.index(r) for r in resolutions})
        between, number = places[1:-1] or places, self.random_children
        step = max(1.0, len(between) / max(1, number))
        spread = [between[int(i * step) % len(between)] for i in range(number)]
        return [places[-1], *spread, places[0]]
