"""A model as channels: the walk, the rules, and the two readings."""

from keras_nas.graph.flow import ChannelFlow
from keras_nas.graph.flow import ChannelState
from keras_nas.graph.flow import flow_of
from keras_nas.graph.reading import Reading
from keras_nas.graph.rules import COST_PARTS
from keras_nas.graph.rules import PassThrough
from keras_nas.graph.rules import Rule
from keras_nas.graph.rules import register_rule
from keras_nas.graph.walk import ChannelGraph
from keras_nas.graph.walk import Node
from keras_nas.graph.walk import walk

__all__ = [
    "COST_PARTS",
    "ChannelFlow",
    "ChannelGraph",
    "ChannelState",
    "Node",
    "PassThrough",
    "Reading",
    "Rule",
    "flow_of",
    "register_rule",
    "walk",
]
