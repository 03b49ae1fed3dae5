"""Masks in, decisions, and the plain model out."""

from keras_nas.graph.decisions import read_architecture
from keras_nas.slicing.insertion import insert_masks
from keras_nas.slicing.report import SliceReport
from keras_nas.slicing.slicer import slice_model

__all__ = ["SliceReport", "insert_masks", "read_architecture", "slice_model"]
