"""Assessors: which there are, and what `classArgs` they take."""

from __future__ import annotations

from ray_remote_nni.config.algorithms import ArgumentChecker, check_own, mode_of, nameless, unknown
from ray_remote_nni.config.located import Source
from ray_remote_nni.config.models import AlgorithmConfig
from ray_remote_nni.config.names import FieldPath, listed
from ray_remote_nni.config.problems import Problem
from ray_remote_nni.config.quantities import number, whole_number
from ray_remote_nni.config.tuner_arguments import Rule, at_least, spelled, words

_WHOLE = "a whole number of at least"
_START_STEP = at_least(0, whole_number, f"{_WHOLE} 0")
_RULES: dict[str, dict[str, Rule | None]] = {
    "Medianstop": {"optimize_mode": words("maximize", "minimize"), "start_step": _START_STEP},
    "Curvefitting": {
        "epoch_num": at_least(1, whole_number, f"{_WHOLE} 1"),
        "start_step": _START_STEP,
        "threshold": at_least(0, number, "a number of at least 0"),
        "gap": at_least(1, whole_number, f"{_WHOLE} 1"),
        "optimize_mode": words("maximize"),
    },
}


def check_assessor(source: Source, assessor: AlgorithmConfig, path: FieldPath) -> tuple[AlgorithmConfig, list[Problem]]:
    """The assessor with its name as we spell it and its arguments checked, and what is wrong with it."""
    if assessor.class_name is not None or assessor.code_directory is not None:
        return assessor, check_own(source, assessor, path)
    if assessor.name is None:
        return assessor, [nameless(source, path, "Medianstop")]
    name = spelled(assessor.name, tuple(_RULES))
    if name is None:
        message = f"supported: {listed(_RULES)}"
        return assessor, [unknown(source, path, assessor.name, tuple(_RULES), message)]
    checker = ArgumentChecker(source, name)
    arguments = checker.plain_arguments((*path, "classArgs"), _RULES[name])
    problems = checker.problems
    if name == "Medianstop" and (mode := mode_of(source, "tuner")) is not None:
        used = arguments.get("optimize_mode", "maximize")
        if used != mode:
            message = f"Medianstop has optimize_mode {used}, and the tuner {mode}: the best trials will be stopped"
            problems.append(
                source.problem(path, message, f"Add optimize_mode: {mode} to its classArgs", level="warning")
            )
    if name == "Curvefitting" and mode_of(source, "tuner") == "minimize":
        message = "Curvefitting takes higher results for better, and the tuner lower: the best trials will be stopped"
        remedy = "Take Medianstop, or report what is to be maximized"
        problems.append(source.problem(path, message, remedy, level="warning"))
    return assessor.model_copy(update={"name": name, "class_args": arguments}), problems
