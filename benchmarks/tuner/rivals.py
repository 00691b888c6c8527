"""The tuners that are compared, behind one interface: ask, tell. All of them minimise."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np

from benchmarks.tuner.problems import draw
from benchmarks.tuner.problems.problem import Parameters, Space


class Contestant(Protocol):
    def ask(self, trial_id: str) -> Parameters:
        """Raises NotYet of ours where a trial has to end first."""
        ...

    def tell(self, trial_id: str, loss: float) -> None: ...


class Random:
    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)

    def ask(self, trial_id: str) -> Parameters:
        return draw(self._space, self._rng)

    def tell(self, trial_id: str, loss: float) -> None:
        """Random search does not learn."""


def ours(space: Space, seed: int, **options: Any) -> Contestant:
    """The product: create_tuner, as the experiment uses it."""
    from ray_remote_nni.tuner import create_tuner

    return create_tuner("TPE", space, class_args={"optimize_mode": "minimize"}, seed=seed, **options)


class AnotherOfOurs:
    """Another tuner of the product, with its defaults. Budgets mean nothing to the problems."""

    def __init__(self, name: str, space: Space, seed: int) -> None:
        from ray_remote_nni.tuner import create_tuner

        self._tuner = create_tuner(name, space, class_args={"optimize_mode": "minimize"}, seed=seed)
        self.tell = self._tuner.tell

    def ask(self, trial_id: str) -> Parameters:
        return {name: value for name, value in self._tuner.ask(trial_id).items() if name != "TRIAL_BUDGET"}


class HyperoptOfRayTune:
    """hyperopt, step by step as Ray Tune 2.60's HyperOptSearch drives it."""

    def __init__(self, space: Space, seed: int) -> None:
        import hyperopt

        logging.getLogger("hyperopt").setLevel(logging.ERROR)
        self._hyperopt = hyperopt
        self._rng = np.random.RandomState(seed)
        self._trials = hyperopt.Trials()
        self._domain = hyperopt.Domain(lambda parameters: parameters, _hyperopt_space(space))
        self._running: dict[str, int] = {}

    def ask(self, trial_id: str) -> Parameters:
        hyperopt, trials, domain = self._hyperopt, self._trials, self._domain
        ids = trials.new_trial_ids(1)
        trials.refresh()
        documents = hyperopt.tpe.suggest(ids, domain, trials, self._rng.randint(2**31 - 1))
        trials.insert_trial_docs(documents)
        trials.refresh()
        self._running[trial_id] = ids[0]
        configuration = hyperopt.base.spec_from_misc(documents[0]["misc"])
        control = hyperopt.base.Ctrl(trials, current_trial=documents[0])
        memo = domain.memo_from_config(configuration)
        hyperopt.utils.use_obj_for_literal_in_memo(domain.expr, control, hyperopt.base.Ctrl, memo)
        evaluated = hyperopt.pyll.rec_eval(domain.expr, memo=memo, print_node_on_error=False)
        parameters: Parameters = _plain(copy.deepcopy(evaluated))
        return parameters

    def tell(self, trial_id: str, loss: float) -> None:
        number = self._running.pop(trial_id)
        (document,) = [document for document in self._trials.trials if document["tid"] == number]
        document["state"] = self._hyperopt.JOB_STATE_DONE
        document["result"] = {"loss": loss, "status": "ok"}
        self._trials.refresh()


def _hyperopt_space(space: Space, path: str = "") -> dict[str, Any]:
    return {name: _hyperopt_parameter(spec, f"{path}{name}") for name, spec in space.items() if name != "_name"}


def _hyperopt_parameter(spec: Space, label: str) -> Any:
    from hyperopt import hp

    kind, values = spec["_type"], spec["_value"]
    if kind == "choice":
        return hp.choice(
            label,
            [
                {"_name": value["_name"], **_hyperopt_space(value, f"{label}/{value['_name']}/")}
                if isinstance(value, dict)
                else value
                for value in values
            ],
        )
    if kind == "randint" and values[1] - values[0] > 100:
        return hp.uniformint(label, values[0], values[1] - 1)
    if "loguniform" in kind:
        values = [math.log(values[0]), math.log(values[1]), *values[2:]]
    return getattr(hp, kind)(label, *values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value


class OptunaDefault:
    """Optuna's default sampler; in Optuna 5 that is TPE with joint kernels and a liar for running trials."""

    def __init__(self, space: Space, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        self._space = space
        self._study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._running: dict[str, Any] = {}

    def ask(self, trial_id: str) -> Parameters:
        trial = self._running[trial_id] = self._study.ask()
        return self._suggest(trial, self._space, "")

    def tell(self, trial_id: str, loss: float) -> None:
        self._study.tell(self._running.pop(trial_id), loss)

    def _suggest(self, trial: Any, space: Space, path: str) -> Parameters:
        return {name: self._parameter(trial, spec, f"{path}{name}") for name, spec in space.items() if name != "_name"}

    def _parameter(self, trial: Any, spec: Space, label: str) -> Any:
        kind, values = spec["_type"], spec["_value"]
        if kind == "choice" and isinstance(values[0], dict):
            name = trial.suggest_categorical(label, [value["_name"] for value in values])
            (branch,) = [value for value in values if value["_name"] == name]
            return {"_name": name, **self._suggest(trial, branch, f"{label}/{name}/")}
        if kind == "choice":
            return trial.suggest_categorical(label, values)
        if kind == "randint":
            return trial.suggest_int(label, values[0], values[1] - 1)
        if "normal" in kind:  # Optuna has no normal priors: four standard deviations to either side
            low, high = values[0] - 4 * values[1], values[0] + 4 * values[1]
            number = trial.suggest_float(label, low, high)
            number = math.exp(number) if "log" in kind else number
        else:
            number = trial.suggest_float(label, values[0], values[1], log="log" in kind)
        if not kind.startswith("q"):
            return number
        number = round(number / values[2]) * values[2]
        return min(max(number, values[0]), values[1]) if "uniform" in kind else number


class TpeOfNni:
    """NNI 3.0's TpeTuner with its defaults."""

    def __init__(self, space: Space, seed: int) -> None:
        from benchmarks.tuner.nni_tpe import load_tpe_tuner

        self._tuner = load_tpe_tuner()(optimize_mode="minimize", seed=seed)
        self._tuner.update_search_space(space)

    def ask(self, trial_id: str) -> Parameters:
        parameters: Parameters = _plain(self._tuner.generate_parameters(trial_id))
        return parameters

    def tell(self, trial_id: str, loss: float) -> None:
        self._tuner.receive_trial_result(trial_id, None, loss)
        self._tuner.trial_end(trial_id, True)


OTHERS_OF_OURS = ("Anneal", "Evolution", "Hyperband", "BOHB", "GP", "Metis", "SMAC")

CONTESTANTS: Mapping[str, Callable[[Space, int], Contestant]] = {
    "ours": ours,
    "ours, duplicates allowed": lambda space, seed: ours(space, seed, duplicates="allow"),
    "hyperopt (Ray Tune)": HyperoptOfRayTune,
    "NNI": TpeOfNni,
    "Optuna": OptunaDefault,
    "random": Random,
    **{name: partial(AnotherOfOurs, name) for name in OTHERS_OF_OURS},
}


def takes(contestant: str, space: Space) -> bool:
    """Whether a contestant takes such a space; some of ours take numbers only."""
    from ray_remote_nni.errors import UsageError

    if contestant not in OTHERS_OF_OURS:
        return True
    try:
        CONTESTANTS[contestant](space, 0)
    except UsageError:
        return False
    return True
