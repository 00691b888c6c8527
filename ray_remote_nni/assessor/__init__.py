"""Assessors: they tell from a trial's intermediate results whether to go on with it. Usable without Ray."""

from __future__ import annotations

from ray_remote_nni.assessor.contract import Assessor
from ray_remote_nni.assessor.create import create_assessor

__all__ = ["Assessor", "create_assessor"]
