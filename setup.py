"""Installs keras_nas; the metadata is in pyproject.toml."""

from setuptools import setup

setup(package_data={"keras_nas.spaces": ["*.json"]})
