"""What a config means once it is loaded."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from config_texts import LOCAL, MINIMAL, Experiment, Load

from ray_remote_nni.config import ConfigInvalid, LocalConfig, RemoteConfig, load_config

NNI_REMOTE_PAGE = """\
searchSpaceFile: search_space.json
trialCommand: python3 mnist.py
trialCodeDirectory: .
trialGpuNumber: 0
trialConcurrency: 4
maxTrialNumber: 20
tuner:
  name: TPE
  classArgs:
    optimize_mode: maximize
trainingService:
  platform: remote
  machineList:
    - host: 192.0.2.1
      user: alice
      ssh_key_file: ~/.ssh/id_rsa
    - host: 192.0.2.2
      port: 10022
      user: bob
      password: bob123
"""
SPACE = '{"lr": {"_type": "loguniform", "_value": [0.0001, 0.1]}}'
REMOTE = MINIMAL + "trainingService:\n  platform: remote\n  machineList:\n    - {host: 192.0.2.1, user: alice%s}\n"

_LR = "lr: {_type: uniform, _value: [0.0, 1.0]}"


def test_the_config_of_nnis_remote_page_is_accepted_as_it_stands(load: Load, tmp_path: Path, home: Path) -> None:
    (tmp_path / "search_space.json").write_text(SPACE)
    loaded = load(NNI_REMOTE_PAGE)
    assert loaded.warnings == ()
    experiment = loaded.experiment
    assert experiment.search_space == {"lr": {"_type": "loguniform", "_value": [0.0001, 0.1]}}
    assert experiment.trial_command == "python3 mnist.py"
    assert experiment.trial_code_directory == tmp_path
    assert (experiment.trial_gpu_number, experiment.trial_concurrency, experiment.max_trial_number) == (0, 4, 20)
    assert (experiment.tuner.name, experiment.tuner.class_args) == ("TPE", {"optimize_mode": "maximize"})
    service = experiment.training_service
    assert isinstance(service, RemoteConfig)
    alice, bob = service.machine_list
    assert (alice.host, alice.port, alice.user, alice.password) == ("192.0.2.1", 22, "alice", None)
    assert alice.ssh_key_file == home / ".ssh" / "id_rsa"
    assert (bob.host, bob.port, bob.user, bob.ssh_key_file) == ("192.0.2.2", 10022, "bob", None)
    assert bob.password is not None
    assert bob.password.get_secret_value() == "bob123"


def test_that_config_is_accepted_too_where_nnis_default_key_does_not_exist(
    load: Load, tmp_path: Path, home: Path
) -> None:
    (tmp_path / "search_space.json").write_text(SPACE)
    (home / ".ssh" / "id_rsa").unlink()
    loaded = load(NNI_REMOTE_PAGE)
    [warning] = loaded.warnings
    assert "there is no key file" in warning.message
    service = loaded.experiment.training_service
    assert isinstance(service, RemoteConfig)
    assert service.machine_list[0].ssh_key_file is None


def test_what_is_not_given_has_nnis_defaults(experiment: Experiment, tmp_path: Path, home: Path) -> None:
    config = experiment(REMOTE % "")
    assert config.trial_code_directory == tmp_path
    assert config.experiment_working_directory == home / "nni-experiments"
    assert config.trial_gpu_number is None
    assert config.max_trial_number is None
    assert config.max_experiment_duration_s is None
    assert config.max_trial_duration_s is None
    assert (config.debug, config.log_level) == (False, "info")
    assert isinstance(config.training_service, RemoteConfig)
    [machine] = config.training_service.machine_list
    assert machine.port == 22
    assert machine.ssh_key_file is None
    assert machine.max_trial_number_per_gpu == 1
    assert machine.use_active_gpu is False
    assert config.ray.max_trial_retries == 3
    assert config.ray.host_key_policy == "strict"


def test_null_is_the_same_as_not_given(experiment: Experiment) -> None:
    config = experiment(LOCAL + "trialGpuNumber: null\nmaxTrialNumber: ~\nassessor:\nadvisor: null\nlogLevel: null\n")
    assert config.trial_gpu_number is None
    assert config.max_trial_number is None
    assert config.assessor is None
    assert config.log_level == "info"


@pytest.mark.parametrize("key", ["trialGpuNumber", "trial_gpu_number", "TRIALGPUNUMBER", "_trial_gpu_Number_"])
def test_keys_ignore_case_and_underscores(experiment: Experiment, key: str) -> None:
    assert experiment(LOCAL + f"{key}: 3\n").trial_gpu_number == 3


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("1h", 3600), ("90", 90), ("1.5m", 90), ("2D", 172800), ("0.5s", 1), ('"10 m"', 600), ("61.2s", 62), ("1.5", 2)],
)
def test_times_are_seconds_rounded_up(experiment: Experiment, written: str, seconds: int) -> None:
    config = experiment(LOCAL + f"maxExperimentDuration: {written}\nmaxTrialDuration: {written}\n")
    assert config.max_experiment_duration_s == seconds
    assert config.max_trial_duration_s == seconds


@pytest.mark.parametrize(
    ("written", "indices"), [("[0, 2]", (0, 2)), ("1", (1,)), ('"0,1"', (0, 1)), ("0, 3", (0, 3)), ("[]", ())]
)
def test_gpu_indices_have_several_forms(experiment: Experiment, written: str, indices: tuple[int, ...]) -> None:
    config = experiment(MINIMAL + f"trainingService:\n  platform: local\n  gpuIndices: {written}\n")
    assert config.training_service == LocalConfig(gpu_indices=indices)


def test_relative_paths_start_at_the_folder_of_the_file(experiment: Experiment, tmp_path: Path, home: Path) -> None:
    (tmp_path / "code").mkdir()
    config = experiment(LOCAL + "trialCodeDirectory: ./code\nexperimentWorkingDirectory: ~/results\n")
    assert config.trial_code_directory == tmp_path / "code"
    assert config.experiment_working_directory == home / "results"


def test_relative_paths_do_not_depend_on_the_current_directory(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "config.yml").write_text(LOCAL)
    monkeypatch.chdir(tmp_path)
    assert load_config(Path("project/config.yml"), {}).experiment.trial_code_directory == tmp_path / "project"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("space.json", SPACE),
        ("space.yml", "lr:\n  _type: loguniform\n  _value: [1e-4, 0.1]\n"),
        ("space", "\ufeff" + SPACE),
        ("space.json", "{lr: {_type: loguniform, _value: [0.0001, 0.1],},} # YAML after all"),
        ("space.json", '\t{"lr":\t{"_type": "loguniform",\n\t"_value": [1e-4, 0.1]}}'),
    ],
)
def test_the_search_space_file_is_json_or_yaml(load: Load, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    rest = LOCAL.split("\n", 2)[2]
    config = load(f"searchSpaceFile: {name}\n{rest}").experiment
    assert config.search_space == {"lr": {"_type": "loguniform", "_value": [0.0001, 0.1]}}
    assert config.search_space_file == tmp_path / name


def test_advisor_is_an_old_name_for_tuner(experiment: Experiment) -> None:
    for key in ("tuner", "advisor"):
        config = experiment(LOCAL.replace("tuner: {name: TPE}", f"{key}: {{name: hyperband, classArgs: {{R: 81}}}}"))
        assert (config.tuner.name, config.tuner.class_args["R"]) == ("Hyperband", 81)


def test_a_training_service_in_a_list_of_one_is_that_service(experiment: Experiment) -> None:
    config = experiment(MINIMAL + "trainingService:\n  - platform: local\n    gpuIndices: 1\n")
    assert config.training_service == LocalConfig(gpu_indices=(1,))


def test_what_nni_takes_inside_the_training_service_counts_before_the_top_level(load: Load) -> None:
    service = "trainingService:\n  platform: local\n  trial_command: sh other.sh\n  trialGpuNumber: 1\n"
    loaded = load(MINIMAL + service)
    assert loaded.experiment.trial_command == "sh other.sh"
    assert loaded.experiment.trial_gpu_number == 1
    [warning] = loaded.warnings
    assert (warning.field, warning.line) == ("trialCommand", 3)


def test_a_command_of_several_lines_stays_as_it_is(experiment: Experiment) -> None:
    text = LOCAL.replace("trialCommand: python3 train.py", "trialCommand: |\n  source env.sh\n  python train.py")
    assert experiment(text).trial_command == "source env.sh\npython train.py\n"


def test_texts_are_taken_as_written_where_yaml_sees_a_number(experiment: Experiment) -> None:
    config = experiment(REMOTE % ", password: 0123, pythonPath: 3.10")
    assert isinstance(config.training_service, RemoteConfig)
    [machine] = config.training_service.machine_list
    assert machine.password is not None
    assert machine.password.get_secret_value() == "0123"
    assert machine.python_path == "3.10"


def test_a_key_file_beside_a_password_need_not_be_there(load: Load) -> None:
    loaded = load(REMOTE % ", password: ask, sshKeyFile: /nowhere")
    assert isinstance(loaded.experiment.training_service, RemoteConfig)
    assert loaded.experiment.training_service.machine_list[0].ssh_key_file is None
    assert [warning.field for warning in loaded.warnings] == ["trainingService.machineList[0].sshKeyFile"]


def test_a_key_file_beside_a_password_is_kept_for_machines_that_want_both(load: Load, home: Path) -> None:
    loaded = load(REMOTE % ", password: ask, sshKeyFile: ~/.ssh/id_rsa")
    assert isinstance(loaded.experiment.training_service, RemoteConfig)
    assert loaded.experiment.training_service.machine_list[0].ssh_key_file == home / ".ssh" / "id_rsa"
    [warning] = loaded.warnings
    assert "unless the machine wants both" in str(warning.remedy)


def test_debug_sets_the_log_level_unless_it_is_given(experiment: Experiment) -> None:
    assert experiment(LOCAL + "debug: true\n").log_level == "debug"
    assert experiment(LOCAL + "debug: true\nlogLevel: Warning\n").log_level == "warning"


def test_the_ray_block_is_read(experiment: Experiment) -> None:
    block = """\
ray:
  head_node: 192.0.2.1
  trialCpuNumber: 0.5
  trialMemory: 4gb
  maxTrialRetries: 0
  trialEnvironment: {OMP_NUM_THREADS: 1, EMPTY: "", DEBUG: yes}
  hostKeyPolicy: accept-new
  ports: {gcs: 6379}
"""
    ray = experiment(REMOTE % "" + block).ray
    assert (ray.head_node, ray.trial_cpu_number, ray.trial_memory) == ("192.0.2.1", 0.5, 4 * 1024**3)
    assert ray.max_trial_retries == 0
    assert ray.trial_environment == {"OMP_NUM_THREADS": "1", "EMPTY": "", "DEBUG": "yes"}
    assert ray.host_key_policy == "accept-new"
    assert ray.ports.fixed == {"gcs": 6379}


def test_yaml_anchors_and_merges_work(experiment: Experiment) -> None:
    text = MINIMAL + (
        "trainingService:\n  platform: remote\n  machineList:\n"
        "    - &first {host: 192.0.2.1, user: alice, port: 2222}\n"
        "    - {<<: *first, host: 192.0.2.2}\n"
    )
    service = experiment(text).training_service
    assert isinstance(service, RemoteConfig)
    assert [(m.host, m.user, m.port) for m in service.machine_list] == [
        ("192.0.2.1", "alice", 2222),
        ("192.0.2.2", "alice", 2222),
    ]


def test_what_is_loaded_can_be_pickled_and_so_can_its_errors(load: Load) -> None:
    loaded = load(REMOTE % ", password: secret")
    assert pickle.loads(pickle.dumps(loaded)) == loaded
    with pytest.raises(ConfigInvalid) as caught:
        load("trialConcurrency: x")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.problems, str(copy)) == (caught.value.problems, str(caught.value))


def test_every_v2_field_of_nni_is_accepted(load: Load, tmp_path: Path) -> None:
    loaded = load(
        """\
experimentName: mnist
experimentType: hpo
searchSpace: {x: {_type: choice, _value: [1, 2]}}
trialCommand: python3 train.py
trialCodeDirectory: .
trialConcurrency: 2
trialGpuNumber: 1
maxExperimentDuration: 1h
maxTrialNumber: 10
maxTrialDuration: 10m
nniManagerIp: 192.0.2.9
useAnnotation: false
debug: true
logLevel: trace
experimentWorkingDirectory: results
tunerGpuIndices: 0
tuner: {name: tpe, classArgs: {optimize_mode: minimize, seed: 3, tpe_args: {constant_liar_type: null, gamma: 0.5}}}
assessor: {name: Medianstop, classArgs: {start_step: 5}}
trainingService:
  platform: remote
  reuseMode: true
  machineList:
    - {host: h, port: 22, user: u, sshKeyFile: ~/.ssh/id_rsa, sshPassphrase: p, useActiveGpu: true,
       maxTrialNumberPerGpu: 2, gpuIndices: "0,1", pythonPath: /opt/bin}
sharedStorage:
  storageType: NFS
  localMountPoint: /mnt/nfs
  remoteMountPoint: ./nfs
  localMounted: usermount
  nfsServer: 192.0.2.8
  exportedDirectory: /exported
"""
    )
    config = loaded.experiment
    assert config.tuner.name == "TPE"
    assert config.tuner.class_args == {
        "optimize_mode": "minimize",
        "seed": 3,
        "tpe_args": {"constant_liar_type": None, "gamma": 0.5},
    }
    assert config.assessor is not None
    assert config.tuner_gpu_indices == (0,)
    assert config.shared_storage is not None
    assert config.experiment_working_directory == tmp_path / "results"
    assert {warning.field for warning in loaded.warnings} == {
        "nniManagerIp",
        "debug",
        "logLevel",
        "tunerGpuIndices",
        "assessor",
        "trainingService.reuseMode",
        "sharedStorage",
    }


@pytest.mark.parametrize(
    ("tuner", "name", "class_args"),
    [
        ("{name: gridSearch, classArgs: {optimize_mode: maximize}}", "GridSearch", {"optimize_mode": "maximize"}),
        ("{name: Random, classArgs: {seed: 4}}", "Random", {"seed": 4, "optimize_mode": "maximize"}),
        ("{name: TPE}", "TPE", {}),
        ("{name: Anneal}", "Anneal", {"optimize_mode": "maximize"}),
    ],
)
def test_the_tuners_of_nni_have_their_names_and_defaults(
    experiment: Experiment, tuner: str, name: str, class_args: dict[str, object]
) -> None:
    config = experiment(LOCAL.replace("{name: TPE}", tuner))
    assert (config.tuner.name, config.tuner.class_args) == (name, class_args)


def test_batch_takes_its_own_form_of_a_search_space(experiment: Experiment) -> None:
    sets = "combine_params: {_type: choice, _value: [{lr: 0.1}, {lr: 0.2}]}"
    config = experiment(LOCAL.replace("{name: TPE}", "{name: batchtuner}").replace(_LR, sets))
    assert (config.tuner.name, config.tuner.class_args) == ("Batch", {"optimize_mode": "maximize"})


def test_a_tuner_that_does_not_care_goes_by_the_assessors_mode_as_nnis_web_page_does(experiment: Experiment) -> None:
    assessor = "assessor: {name: Medianstop, classArgs: {optimize_mode: minimize}}\n"
    for tuner, mode in (("Random", "minimize"), ("Anneal", "maximize")):
        config = experiment(LOCAL.replace("{name: TPE}", f"{{name: {tuner}}}") + assessor)
        assert config.tuner.class_args == {"optimize_mode": mode}


def test_what_nni_lets_anneal_be_told_has_no_effect_and_says_so(load: Load) -> None:
    loaded = load(LOCAL.replace("{name: TPE}", "{name: Anneal, classArgs: {constant_liar_type: max}}"))
    assert loaded.experiment.tuner.class_args == {"optimize_mode": "maximize"}
    assert [warning.field for warning in loaded.warnings] == ["tuner.classArgs.constant_liar_type"]


def test_configurations_can_be_tried_twice_where_asked_for(experiment: Experiment) -> None:
    assert experiment(LOCAL).ray.duplicates == "avoid"
    assert experiment(LOCAL + "ray: {duplicates: allow}\n").ray.duplicates == "allow"


def test_curvefitting_beside_a_tuner_that_minimizes_is_warned_of(load: Load) -> None:
    tuner = "{name: TPE, classArgs: {optimize_mode: minimize}}"
    loaded = load(LOCAL.replace("{name: TPE}", tuner) + "assessor: {name: Curvefitting, classArgs: {epoch_num: 20}}\n")
    [warning] = loaded.warnings
    assert "the best trials will be stopped" in warning.message
