"""The way from an assessor's name and NNI's classArgs to an assessor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray_remote_nni.assessor.contract import Assessor
from ray_remote_nni.assessor.median_stop import MedianStop
from ray_remote_nni.errors import UsageError

ASSESSOR_NAMES = ("Medianstop", "Curvefitting")


def create_assessor(name: str, class_args: Mapping[str, Any] | None = None) -> Assessor:
    """Make the assessor that NNI calls `name` (any case). Raises UsageError for an unknown name and bad class_args."""
    known = {known.lower(): known for known in ASSESSOR_NAMES}.get(name.lower())
    if known is None:
        raise UsageError(f"assessor {name!r} is not known. Known assessors: {', '.join(ASSESSOR_NAMES)}.")
    try:
        if known == "Medianstop":
            return MedianStop(**(class_args or {}))
        # Imported here: it brings SciPy.
        from ray_remote_nni.assessor.curve_fitting import CurveFitting

        return CurveFitting(**(class_args or {}))
    except (TypeError, ValueError) as error:
        raise UsageError(f"assessor {known}: {error}.") from error
