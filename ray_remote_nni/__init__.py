"""Run an NNI remote-mode experiment, unchanged, on a Ray cluster launched over SSH."""

__version__ = "0.1.0"
