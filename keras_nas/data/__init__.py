"""Input pipelines: the embedded data set and any of TFDS."""

from keras_nas.data.datasets import Datasets
from keras_nas.data.loading import check_augmentation
from keras_nas.data.loading import load
from keras_nas.data.photo_patches import PhotoPatches

__all__ = ["Datasets", "PhotoPatches", "check_augmentation", "load"]
