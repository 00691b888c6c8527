"""The JSON Schema for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from config_texts import LOCAL, MINIMAL, Load
from jsonschema import Draft202012Validator

from ray_remote_nni.config import json_schema

REPOSITORY = Path(__file__).parents[3]
CONFIGS = sorted((REPOSITORY / "configs").rglob("*.yml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def errors(validator: Draft202012Validator, text: str) -> list[Any]:
    return list(validator.iter_errors(yaml.safe_load(text)))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_config_of_ours_fits_the_schema_and_loads(
    validator: Draft202012Validator, load: Load, path: Path, home: Path
) -> None:
    from ray_remote_nni.config import load_config

    load_config(path, {})
    assert errors(validator, path.read_text()) == []


@pytest.mark.parametrize(
    "more",
    [
        "maxExperimentDuration: 1h\nmaxTrialDuration: 90\n",
        "max_trial_number: 3\nTRIALGPUNUMBER: null\n",
        "maxTrialNumber: ${N:-3}\n",
        "ray: {trialMemory: 4gb, hostKeyPolicy: accept-new, trialEnvironment: {A: b}, headNode: null}\n",
        "assessor: {name: Medianstop, classArgs: {start_step: 3}}\n",
        "tunerGpuIndices: '0,1'\n",
        "advisor: null\n",
    ],
)
def test_what_loads_fits(validator: Draft202012Validator, load: Load, more: str) -> None:
    load(LOCAL + more, {})
    assert errors(validator, LOCAL + more) == []


@pytest.mark.parametrize(
    "service",
    [
        "trainingService: [{platform: local, gpuIndices: 0}]\n",
        "training_service: {platform: local, trialGpuNumber: 0}\n",
        "trainingService: {platform: remote, machine_list: [{host: a, user: b, ssh_passphrase: c}]}\n",
    ],
)
def test_every_form_of_a_training_service_fits(validator: Draft202012Validator, load: Load, service: str) -> None:
    load(MINIMAL + service)
    assert errors(validator, MINIMAL + service) == []


@pytest.mark.parametrize(
    "text",
    [
        LOCAL + "maxTrialNum: 3\n",
        LOCAL + "maxTrialNumber: 0\n",
        LOCAL + "maxTrialNumber: many\n",
        LOCAL + "logLevel: loud\n",
        LOCAL + "ray: {tls: maybe}\n",
        LOCAL + "ray: {unknown: 1}\n",
        LOCAL.replace("trialConcurrency: 2\n", ""),
        LOCAL.replace("tuner: {name: TPE}\n", ""),
        LOCAL.replace("uniform", "unifrom"),
        LOCAL.split("\n", 2)[2],
        MINIMAL,
        MINIMAL + "trainingService: {platform: kubeflow}\n",
        MINIMAL + "trainingService: {platform: remote}\n",
        MINIMAL + "trainingService: {platform: remote, machineList: []}\n",
        MINIMAL + "trainingService: {platform: remote, machineList: [{user: a}]}\n",
        MINIMAL + "trainingService: {platform: remote, machineList: [{host: a, user: b, port: 99999}]}\n",
        MINIMAL + "trainingService: {platform: local, machineList: [{host: a, user: b}]}\n",
    ],
)
def test_what_does_not_load_does_not_fit(validator: Draft202012Validator, text: str) -> None:
    assert errors(validator, text) != []


def test_an_editor_finds_names_and_descriptions_in_it() -> None:
    properties = json_schema()["properties"]
    assert {"trialCommand", "searchSpaceFile", "trainingService", "ray", "maxExperimentDuration"} <= set(properties)
    assert all(field.get("description") for field in properties.values())
