"""How networks are trained: recipes, optimizers, strategies."""

from keras_nas.training.batch_norm import recalibrate_batch_norm
from keras_nas.training.batch_norm import synchronized_batch_norm
from keras_nas.training.checkpoint import Checkpoint
from keras_nas.training.constant_ending import ConstantEnding
from keras_nas.training.distillation import make_distiller
from keras_nas.training.partitioned_optimizer import PartitionedOptimizer
from keras_nas.training.recipe import Recipe
from keras_nas.training.smoothed_crossentropy import SmoothedCrossentropy
from keras_nas.training.stochastic_depth import add_stochastic_depth
from keras_nas.training.strategy import STRATEGIES
from keras_nas.training.strategy import find_strategy
from keras_nas.training.strategy import is_chief
from keras_nas.training.strategy import worker_of
from keras_nas.training.termination import SAVED_STATUS
from keras_nas.training.termination import FiniteLoss
from keras_nas.training.termination import Terminated
from keras_nas.training.warm_up import WarmUp

__all__ = [
    "SAVED_STATUS",
    "STRATEGIES",
    "Checkpoint",
    "ConstantEnding",
    "FiniteLoss",
    "PartitionedOptimizer",
    "Recipe",
    "SmoothedCrossentropy",
    "Terminated",
    "WarmUp",
    "add_stochastic_depth",
    "find_strategy",
    "is_chief",
    "make_distiller",
    "recalibrate_batch_norm",
    "synchronized_batch_norm",
    "worker_of",
]
