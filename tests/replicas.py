"""Replicas on the CPU of the process that asks first."""

import tensorflow as tf

from keras_nas.training import find_strategy


def mirrored(replicas):
    """Returns a strategy of so many logical CPUs."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * replicas
    tf.config.set_logical_device_configuration(cpu, devices)
    strategy = find_strategy("mirrored")
    assert strategy.num_replicas_in_sync == replicas
    return strategy
