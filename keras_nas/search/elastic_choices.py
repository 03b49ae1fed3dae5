"""The choices of a model that is trained as a supernet."""

from keras_nas.graph.decisions import check_has_masks
from keras_nas.graph.decisions import deciders
from keras_nas.graph.decisions import named_deciders
from keras_nas.graph.slices import check_slices
from keras_nas.layers import ElasticChoice


def elastic_choices(flow, method):
    """Returns the choices of a model, by their names.

    Args:
        flow: The `ChannelFlow` of the model.
        method: String, the name of the search that asks.

    Returns:
        Dictionary from names to `ElasticChoice`s.

    Raises:
        ValueError: If the model has other masks, several choices of one name,
            or layers that take other than the first channels.
    """
    check_has_masks(flow)
    choices = deciders(flow)
    others = [c.name for c in choices if not isinstance(c, ElasticChoice)]
    if others:
        raise ValueError(
            f"`keras_nas.search.{method}` trains models whose masks follow "
            "an `ElasticChoice`, such as those of "
            f"`keras_nas.ElasticMBConv`. Received others: {others}"
        )
    choices = named_deciders(flow)
    check_slices(flow)
    return choices
