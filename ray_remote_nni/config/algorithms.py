"""Tuners: which there are, and what `classArgs` they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from ray_remote_nni.config.located import LocatedDict, LocatedScalar, Node, Source, describe, is_null, text_of, to_plain
from ray_remote_nni.config.models import AlgorithmConfig
from ray_remote_nni.config.names import FieldPath, fold, listed, nearest
from ray_remote_nni.config.problems import Problem
from ray_remote_nni.config.tuner_arguments import (
    ALIASES,
    INSTALL_MODELS,
    NEED_SCIKIT_LEARN,
    TPE_ARGS,
    TUNERS,
    Rule,
    spelled,
)

SUPPORTED_TUNERS = tuple(TUNERS)

# NNI's other tuners, and where its package has them.
_OTHERS = {
    "PPO": "ppo_tuner.PPOTuner",
    "PPOTuner": "ppo_tuner.PPOTuner",
    "DNGO": "dngo_tuner.DNGOTuner",
    "DNGOTuner": "dngo_tuner.DNGOTuner",
    "NetworkMorphism": "networkmorphism_tuner.NetworkMorphismTuner",
    "RegularizedEvolutionTuner": "regularized_evolution_tuner.RegularizedEvolutionTuner",
}
_NNI_TUNERS = (*TUNERS, *ALIASES, *_OTHERS)


def check_tuner(source: Source, tuner: AlgorithmConfig, path: FieldPath) -> tuple[AlgorithmConfig, list[Problem]]:
    """The tuner with its name as we spell it and its arguments in canonical form, and what is wrong with it."""
    if tuner.class_name is not None or tuner.code_directory is not None:
        return tuner, check_own(source, tuner, path)
    if tuner.name is None:
        return tuner, [nameless(source, path, "TPE")]
    name = _supported(tuner.name)
    problems = [] if name else [_unsupported(source, tuner.name, path)]
    if name in NEED_SCIKIT_LEARN and find_spec("sklearn") is None:
        message = f"the tuner {name} needs scikit-learn, which is not installed here"
        problems.append(source.problem((*path, "name"), message, INSTALL_MODELS))
    meant = name or _supported(nearest(tuner.name, _NNI_TUNERS) or "")
    if meant is None:
        return tuner, problems
    checker = ArgumentChecker(source, meant)
    arguments = checker.arguments_at((*path, "classArgs"))
    return tuner.model_copy(update={"name": name, "class_args": arguments}), problems + checker.problems


def named_tuner(source: Source) -> str | None:
    """The built-in tuner of a config, as we spell it, if there is such a one."""
    name = text_of(source.find(("tuner", "name")))
    return None if name is None else _supported(name)


def nameless(source: Source, path: FieldPath, example: str) -> Problem:
    """What is wrong with a block that has neither a name nor a class."""
    key = source.name((*path, "name")).rpartition(".")[2]
    return source.problem(path, "it names no algorithm", f"Add its name, such as {key}: {example}")


def unknown(source: Source, path: FieldPath, name: str, names: Sequence[str], message: str) -> Problem:
    """A name that is none of `names`: the nearest is meant, or else one that somebody registered with NNI."""
    folded = fold(name)
    close = nearest(name, names) or next(
        (one for one in names if folded.startswith(fold(one)) or fold(one).startswith(folded)), None
    )
    fields = "codeDir, classFileName and className" if _is_v1(source, path) else "codeDirectory and className"
    remedy = f"Write {close}" if close else f"Write {names[0]}, or {fields} of one that was registered with nnictl"
    return source.problem((*path, "name"), f"there is no {path[0]} {name!r}; {message}", remedy)


def _is_v1(source: Source, path: FieldPath) -> bool:
    return "builtin" in source.name((*path, "name"))


def mode_of(source: Source, block: str) -> str | None:
    """What a tuner or assessor is told to do, None where it is told nothing, and may be either."""
    mode = text_of(source.find((block, "classArgs", "optimize_mode")))
    return mode if mode in ("maximize", "minimize") else None


def check_own(source: Source, algorithm: AlgorithmConfig, path: FieldPath) -> list[Problem]:
    """What is wrong with a class of the user's own."""
    if algorithm.name is not None:
        return [source.problem(path, "it has both name and className; accepted: one of them", "Remove one of the two")]
    if algorithm.class_name is None:
        return [source.problem(path, "its codeDirectory has no className", "Add className: module.Class")]
    place = (*path, "className")
    if algorithm.class_name.startswith("."):
        return []  # v1 has the module in another field, which was missed already
    if not all(part.isidentifier() for part in algorithm.class_name.split(".")) or "." not in algorithm.class_name:
        example = f"my_{path[0]}.My{str(path[0]).title()}"
        message = f"found {algorithm.class_name!r}; accepted: the class in its module, such as {example}"
        return [source.problem(place, message)]
    return []


def _supported(name: str) -> str | None:
    known = spelled(name, (*TUNERS, *ALIASES))
    return None if known is None else ALIASES.get(known, known)


def _unsupported(source: Source, name: str, path: FieldPath) -> Problem:
    supported = listed(SUPPORTED_TUNERS)
    known = spelled(name, _NNI_TUNERS)
    if known is not None:
        message = f"NNI's tuner {known} is not supported yet; supported: {supported}"
        own = f"className: nni.algorithms.hpo.{_OTHERS[known]} in place of its name, where the trials' Python has NNI"
        remedy = "Write TPE" if _is_v1(source, path) else f"Write TPE, or {own} and what it needs"
        return source.problem((*path, "name"), message, remedy)
    return unknown(source, path, name, SUPPORTED_TUNERS, f"supported: {supported}")


class ArgumentChecker:
    """Checks the arguments of the algorithm `owner`; `problems` grows with what is wrong with them."""

    def __init__(self, source: Source, owner: str) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._owner = owner

    def plain_arguments(self, path: FieldPath, rules: Mapping[str, Rule | None]) -> dict[str, Any]:
        """The arguments at a path, if there are any, checked."""
        node = self._source.find(path)
        return {} if node is None or is_null(node) else self._arguments(node, path, rules)

    def arguments_at(self, path: FieldPath) -> dict[str, Any]:
        """The tuner's arguments. Where NNI's default is to maximize, that is said: others judge the trials by it."""
        tuner = TUNERS[self._owner]
        arguments = self._given(path, tuner.rules)
        if "optimize_mode" not in arguments and tuner.default_mode == "maximize":
            arguments["optimize_mode"] = (None if tuner.learns else mode_of(self._source, "assessor")) or "maximize"
        return arguments

    def _given(self, path: FieldPath, rules: Mapping[str, Rule | None]) -> dict[str, Any]:
        node = self._source.find(path)
        if node is None or is_null(node):
            return {}
        arguments = self._arguments(node, path, rules)
        if self._owner == "BOHB":
            self._check_budgets(arguments, path)
        if not isinstance(node, LocatedDict) or self._owner not in ("TPE", "Anneal"):
            return arguments
        if self._owner == "TPE" and (tpe_args := node.given("tpe_args")) is not None:
            arguments["tpe_args"] = self._arguments(tpe_args, (*path, "tpe_args"), TPE_ARGS)
            self._check_gamma(arguments["tpe_args"].get("gamma"), (*path, "tpe_args", "gamma"))
        return self._modern(arguments, path)

    def _check_gamma(self, gamma: float | None, path: FieldPath) -> None:
        """It is NNI's and hyperopt's factor of sqrt(N), not a share: above 1 all of the first trials count as good."""
        if gamma is not None and (all_good := int(gamma**2)) > 1:
            message = f"ceil({gamma:g} * sqrt(N)) of N trials count as good: all of the first {all_good}"
            remedy = "Write 0.25, NNI's own, or another number below 1"
            self.problems.append(self._source.problem(path, message, remedy, level="warning"))

    def _check_budgets(self, arguments: Mapping[str, Any], path: FieldPath) -> None:
        least, most = arguments.get("min_budget", 1), arguments.get("max_budget", 3)
        if most < least:
            field = (*path, "max_budget" if "max_budget" in arguments else "min_budget")
            message = f"max_budget {most} is below min_budget {least}"
            self.problems.append(self._source.problem(field, message, "Give a max_budget of at least min_budget"))

    def _modern(self, arguments: dict[str, Any], path: FieldPath) -> dict[str, Any]:
        """The arguments of NNI before 2.4, `parallel_optimize` and `constant_liar_type`, as `tpe_args`."""
        old = [name for name in ("parallel_optimize", "constant_liar_type") if name in arguments]
        if not old:
            return arguments
        parallel, liar = arguments.pop("parallel_optimize", "False"), arguments.pop("constant_liar_type", "min")
        if self._owner != "TPE":
            for name in old:
                message = f"it has no effect: {self._owner} never counted running trials"
                mark = self._source.mark_of_key((*path, name))
                self.problems.append(self._source.problem((*path, name), message, level="warning", mark=mark))
            return arguments
        modern = {"min": "best", "max": "worst", "mean": "mean"}[liar] if parallel == "True" else None
        arguments["tpe_args"] = {"constant_liar_type": modern, **arguments.get("tpe_args", {})}
        for name in old:
            message = f"an argument of NNI before 2.4, taken as tpe_args: {{constant_liar_type: {modern or 'null'}}}"
            mark = self._source.mark_of_key((*path, name))
            problem = self._source.problem((*path, name), message, "Write that instead", level="warning", mark=mark)
            self.problems.append(problem)
        return arguments

    def _arguments(self, node: Node, path: FieldPath, rules: Mapping[str, Rule | None]) -> dict[str, Any]:
        """Checked arguments. Their names are those of a Python function: NNI takes no other spelling."""
        if not isinstance(node, LocatedDict):
            if path[-1] != "classArgs":  # which the model refuses
                message = f"found {describe(node)}; accepted: a mapping"
                self.problems.append(self._source.problem(path, message, "Write each as 'name: value'"))
            return {}
        arguments: dict[str, Any] = {}
        for entry in node.entries:
            here = (*path, entry.key)
            if entry.key not in rules:
                close = nearest(entry.key, rules)
                remedy = f"Write {close}" if close else f"Remove it; accepted here: {', '.join(rules)}"
                message = f"{self._owner} has no such argument"
                self.problems.append(self._source.problem(here, message, remedy, mark=entry.mark))
                continue
            rule = rules[entry.key]
            if rule is None or (is_null(entry.value) and entry.key != "constant_liar_type"):
                continue
            accepted, convert = rule
            value = convert(to_plain(entry.value)) if isinstance(entry.value, LocatedScalar) else None
            if value is None:
                message = f"found {describe(entry.value)}; accepted: {accepted}"
                self.problems.append(self._source.problem(here, message))
            else:
                arguments[entry.key] = None if value == "none" else value
        return arguments
