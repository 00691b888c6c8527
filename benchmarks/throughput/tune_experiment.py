"""Run by a Python that has Ray Tune: the benchmark's trials as a function trainable, with Tune's own defaults."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search.hyperopt import HyperOptSearch

_CONCURRENCY = 4


def main() -> None:
    """Read the settings from standard input; print the seconds of the run, Ray's own start left out."""
    settings: dict[str, Any] = json.load(sys.stdin)
    folder = Path(settings["folder"])

    def trainable(config: dict[str, Any]) -> dict[str, float]:
        place = folder / "trials" / uuid.uuid4().hex
        (place / ".nni").mkdir(parents=True)
        (place / "parameter.cfg").write_text(json.dumps({"parameter_id": 0, "parameters": config}))
        with (place / "stdout").open("wb") as output:
            subprocess.run(
                [settings["python"], "trial.py"],
                stdout=output,
                cwd=settings["code"],
                env={**settings["environment"], "NNI_SYS_DIR": str(place)},
                check=True,
            )
        record = (place / ".nni/metrics").read_text()
        return {"value": float(json.loads(record[8:])["value"])}

    # Without a dashboard it is faster than as it comes.
    ray.init(_temp_dir=str(folder / "ray"), log_to_driver=False, include_dashboard=False)
    began = time.monotonic()
    tuner = tune.Tuner(
        # Tune takes no 0 here; the trials must not wait for CPUs.
        tune.with_resources(trainable, {"cpu": 0.1}),
        param_space={"x": tune.uniform(-5, 5), "y": tune.choice([0, 1, 2])},
        tune_config=tune.TuneConfig(
            search_alg=HyperOptSearch(random_state_seed=1),
            metric="value",
            mode="min",
            num_samples=settings["trials"],
            max_concurrent_trials=_CONCURRENCY,
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "results"), verbose=0),
    )
    results = tuner.fit()
    assert len(results) == settings["trials"]
    assert not results.errors
    wall_s = time.monotonic() - began
    ray.shutdown()
    print(json.dumps({"wall_s": wall_s}))


if __name__ == "__main__":
    main()
