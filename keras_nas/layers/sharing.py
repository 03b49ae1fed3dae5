"""How copies of a layer in a file know each other.

Keras saves a layer that is in several nested models once for each of them,
and loads it as several layers. A number tells which copies were one layer.
"""

import contextlib

# They have no other names.
from keras.src.backend.common.global_state import get_global_attribute
from keras.src.backend.common.global_state import set_global_attribute
from keras.src.saving.serialization_lib import ObjectSharingScope
from keras.src.saving.serialization_lib import get_shared_object
from keras.src.saving.serialization_lib import (
    record_object_after_deserialization,
)

_KEY = "shared_id"
_SAVED = "shared_objects/id_to_config_map"


def shared_config(layer):
    """Returns what to add to a layer's config: nothing but in a save."""
    is_saving = get_global_attribute(_SAVED)
    return {} if is_saving is None else {_KEY: id(layer)}


@contextlib.contextmanager
def apart():
    """Keeps Keras from noting a layer as one that it has saved before.

    It would load a layer that is saved twice within one model as the same
    object into the next model, too, and fail.
    """
    saved = get_global_attribute(_SAVED)
    if saved is not None:
        set_global_attribute(_SAVED, {})
    try:
        yield
    finally:
        set_global_attribute(_SAVED, saved)


@contextlib.contextmanager
def scope():
    """Lets copies know each other without a file, in a config and its copy.

    Within a save or a load it changes nothing.
    """
    if get_global_attribute(_SAVED) is not None:
        yield
        return
    with ObjectSharingScope():
        yield


def loaded_before(config):
    """Returns the layer that an earlier copy was loaded as, or `None`."""
    return get_shared_object(_name(config)) if _KEY in config else None


def record(layer, config):
    """Notes what the first copy was loaded as."""
    if _KEY in config:
        record_object_after_deserialization(layer, _name(config))


def own_config(config):
    """Returns a config without the number."""
    return {key: value for key, value in config.items() if key != _KEY}


def _name(config):
    return f"keras_nas/{config[_KEY]}"
