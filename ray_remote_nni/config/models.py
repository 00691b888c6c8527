"""The typed config: NNI's v2 schema for HPO experiments, and our one block of settings, `ray`."""

from __future__ import annotations

import types
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from pydantic.alias_generators import to_camel

from ray_remote_nni.config.public import looks_secret, public_value
from ray_remote_nni.config.values import (
    Count,
    CountOrZero,
    Cpus,
    DurationS,
    FilePath,
    Flag,
    GpuIndices,
    Host,
    Line,
    Port,
    PythonPath,
    Secret,
    SizeBytes,
    Text,
    User,
    Variables,
    one_of,
)

LogLevel = Annotated[
    Literal["trace", "debug", "info", "warning", "error", "fatal"],
    one_of("trace", "debug", "info", "warning", "error", "fatal"),
]
ExperimentType = Annotated[Literal["hpo"], one_of("hpo")]
StorageType = Annotated[Literal["NFS", "AzureBlob"], one_of("NFS", "AzureBlob")]
Mounting = Annotated[Literal["usermount", "nnimount", "nomount"], one_of("usermount", "nnimount", "nomount")]
Bootstrap = Annotated[Literal["auto", "always", "never"], one_of("auto", "always", "never")]
HostKeyPolicy = Annotated[Literal["strict", "accept-new"], one_of("strict", "accept-new")]

Duplicates = Annotated[Literal["avoid", "allow"], one_of("avoid", "allow")]


def _alias(name: str) -> str:
    # The unit that we put at the end of a name is not in NNI's.
    return to_camel(name.removesuffix("_s"))


def _default_working_directory() -> Path:
    return Path("~/nni-experiments").expanduser().absolute()


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=_alias, populate_by_name=True)


class AlgorithmConfig(_Model):
    """A tuner or assessor: a built-in one by `name`, or one's own by `class_name` and `code_directory`."""

    name: Annotated[Text | None, Field(description="Name of a built-in algorithm", examples=["TPE"])] = None
    class_name: Annotated[Text | None, Field(description="module.Class of one's own algorithm")] = None
    code_directory: Annotated[FilePath | None, Field(description="Folder of that module")] = None
    class_args: Annotated[dict[str, Any], Field(description="Keyword arguments of the algorithm")] = {}


class _GpuUse(_Model):
    """How trials may use the GPUs of a machine."""

    use_active_gpu: Annotated[Flag, Field(description="Use GPUs on which other processes run")] = False
    max_trial_number_per_gpu: Annotated[Count, Field(description="Trials that may share one GPU")] = 1
    gpu_indices: Annotated[GpuIndices | None, Field(description="The GPUs to use; all if not given")] = None


class MachineConfig(_GpuUse):
    """A machine to log in to.

    `ssh_key_file` is None where the file names none, and where it does not exist. Beside a password, which NNI prefers,
    it is for machines that want both. A password or passphrase of `ask` is to be asked at the terminal. `user` is None
    where OpenSSH's configuration knows it.
    """

    host: Annotated[Host, Field(description="Name or address", examples=["192.0.2.1"])]
    port: Annotated[Port, Field(description="Port of its SSH server")] = 22
    user: Annotated[
        User | None, Field(description="Login name; left out, the User of ~/.ssh/config", examples=["alice"])
    ] = None
    password: Annotated[Secret | None, Field(description="Password, ${VARIABLE}, or ask")] = None
    ssh_key_file: Annotated[FilePath | None, Field(description="Private key; a password is tried before it")] = None
    ssh_passphrase: Annotated[Secret | None, Field(description="Passphrase of the key, ${VARIABLE}, or ask")] = None
    python_path: Annotated[PythonPath | None, Field(description="Folder put first on the trials' PATH there")] = None


class LocalConfig(_GpuUse):
    """This machine, without SSH. It has no `pythonPath`: trials run in the caller's own environment."""

    platform: Annotated[Literal["local"], Field(description="This machine", examples=["local"])] = "local"
    reuse_mode: Annotated[Flag, Field(description="NNI's reuse mode; without effect here")] = False

    @property
    def python_path(self) -> None:
        """None: trials run in the caller's own PATH."""
        return None


class RemoteConfig(_Model):
    """Machines reached over SSH."""

    platform: Annotated[Literal["remote"], Field(description="Machines reached over SSH")] = "remote"
    machine_list: Annotated[
        tuple[MachineConfig, ...],
        Field(min_length=1, description="The machines", examples=[[{"host": "192.0.2.1", "user": "alice"}]]),
    ]
    reuse_mode: Annotated[Flag, Field(description="NNI's reuse mode; without effect here")] = False


class SharedStorageConfig(_Model):
    """NNI's shared storage, which is accepted and not used."""

    storage_type: StorageType
    local_mount_point: FilePath | None = None
    remote_mount_point: Text | None = None
    local_mounted: Mounting | None = None
    nfs_server: Text | None = None
    exported_directory: Text | None = None
    storage_account_name: Text | None = None
    storage_account_key: Secret | None = None
    container_name: Text | None = None
    resource_group_name: Text | None = None


class PortsConfig(_Model):
    """Fixed TCP ports of each machine, after `ray start`'s options; free ones are taken for those that are not given.

    `gcs` and `dashboard` are the head's. The first and the last port of the workers come together.
    """

    gcs: Annotated[Port | None, Field(description="The head's control store (GCS)", examples=[20000])] = None
    dashboard: Annotated[Port | None, Field(description="Dashboard, on the head's loopback only")] = None
    node_manager: Annotated[Port | None, Field(description="Raylet")] = None
    object_manager: Annotated[Port | None, Field(description="Object transfer")] = None
    dashboard_agent: Annotated[Port | None, Field(description="Dashboard agent, HTTP")] = None
    dashboard_agent_grpc: Annotated[Port | None, Field(description="Dashboard agent, gRPC")] = None
    runtime_env_agent: Annotated[Port | None, Field(description="Used on the machine itself only")] = None
    metrics: Annotated[Port | None, Field(description="Used on the machine itself only")] = None
    first_worker: Annotated[Port | None, Field(description="First port of the workers", examples=[20100])] = None
    last_worker: Annotated[Port | None, Field(description="Last port of the workers", examples=[20999])] = None

    @property
    def fixed(self) -> dict[str, int]:
        """The ports that are given, by their names in a config."""
        return self.model_dump(by_alias=True, exclude_none=True)


_EnvironmentT = TypeVar("_EnvironmentT", bound="_TrialEnvironment")


class _TrialEnvironment(_Model):
    """A block with variables for trials, some of which are nobody else's business."""

    trial_environment: Annotated[Variables, Field(description="More environment variables of a trial")] = {}

    _hidden: frozenset[str] = PrivateAttr(frozenset())

    def hiding(self: _EnvironmentT, names: Iterable[str]) -> _EnvironmentT:
        """A copy whose `trial_environment` keeps the values of these variables out of `public_dict`."""
        copy = self.model_copy()
        copy._hidden = frozenset(names)
        return copy

    @property
    def public_environment(self) -> dict[str, str]:
        """`trial_environment` with `***` for each value that is, or by its name may be, a secret."""
        return {
            name: "***" if name in self._hidden or looks_secret(name) else value
            for name, value in self.trial_environment.items()
        }


class MachineOptions(_TrialEnvironment):
    """What is special about one machine of the machineList; NNI has no such fields."""

    enabled: Annotated[Flag, Field(description="false: as if the machine were not listed")] = True
    max_trials: Annotated[CountOrZero | None, Field(description="Trials there at once")] = None


class RayConfig(_TrialEnvironment):
    """Our own settings; NNI does not know this block. `trial_memory` is in bytes."""

    head_node: Annotated[
        Line | None, Field(description="Machine of the machineList that is the head: HOST, or HOST:PORT")
    ] = None
    trial_cpu_number: Annotated[Cpus, Field(description="CPUs reserved for a trial")] = 0.0
    trial_memory: Annotated[SizeBytes | None, Field(description="Memory reserved for a trial: 4gb")] = None
    trial_node_number: Annotated[Count, Field(description="Machines of one distributed trial")] = 1
    duplicates: Annotated[Duplicates, Field(description="Whether a configuration may be tried twice")] = "avoid"
    max_trial_retries: Annotated[CountOrZero, Field(description="Repetitions after the loss of a machine")] = 3
    bootstrap: Annotated[Bootstrap, Field(description="When to build a private Ray runtime")] = "auto"
    tls: Annotated[Flag, Field(description="Encrypt the traffic between the machines")] = False
    host_key_policy: Annotated[HostKeyPolicy, Field(description="What to do with an unknown SSH host key")] = "strict"
    ports: Annotated[PortsConfig, Field(description="Fixed port numbers, for firewalls")] = PortsConfig()

    machines: Annotated[dict[str, MachineOptions], Field(description="Options of single machines, by their host")] = {}

    def machine(self, host: str, port: int = 22) -> MachineOptions:
        """The options of a machine of the machineList."""
        return self.machines.get(f"{host}:{port}") or self.machines.get(host) or MachineOptions()


class ExperimentConfig(_Model):
    """An experiment. Paths are absolute; times are in seconds, rounded up; `search_space` is validated.

    What NNI takes in `trainingService` too (`trialCommand`, ...) is here only.
    """

    experiment_name: Annotated[Text | None, Field(description="A name for people")] = None
    experiment_type: Annotated[ExperimentType, Field(description="The only type that there is here")] = "hpo"
    search_space_file: Annotated[FilePath | None, Field(description="JSON or YAML file of the search space")] = None
    search_space: Annotated[dict[str, Any], Field(description="The search space itself")] = {}
    trial_command: Annotated[Text, Field(description="Shell command of a trial", examples=["python3 train.py"])]
    trial_code_directory: Annotated[
        FilePath, Field(description="Folder that is sent to the machines", default_factory=Path.cwd)
    ]
    trial_concurrency: Annotated[Count, Field(description="Trials that run at once", examples=[4])]
    trial_gpu_number: Annotated[
        CountOrZero | None, Field(description="GPUs of a trial; not given: it sees all of its machine")
    ] = None
    max_experiment_duration_s: Annotated[DurationS | None, Field(description="Limit of the whole: 24h")] = None
    max_trial_number: Annotated[Count | None, Field(description="Limit of the number of trials")] = None
    max_trial_duration_s: Annotated[DurationS | None, Field(description="Limit of one trial: 10m")] = None
    nni_manager_ip: Annotated[Text | None, Field(description="Without effect here")] = None
    use_annotation: Annotated[Flag, Field(description="NNI annotations; not supported")] = False
    debug: Annotated[Flag, Field(description="More output")] = False
    log_level: Annotated[LogLevel, Field(description="Amount of log output")] = "info"
    experiment_working_directory: Annotated[
        FilePath, Field(description="Where results are kept", default_factory=_default_working_directory)
    ]
    tuner_gpu_indices: Annotated[GpuIndices | None, Field(description="GPUs of the tuner")] = None
    tuner: Annotated[AlgorithmConfig, Field(description="What suggests parameters", examples=[{"name": "TPE"}])]
    assessor: Annotated[AlgorithmConfig | None, Field(description="What stops bad trials early")] = None
    training_service: Annotated[
        LocalConfig | RemoteConfig,
        Field(discriminator="platform", description="Where trials run", examples=[{"platform": "local"}]),
    ]
    shared_storage: Annotated[SharedStorageConfig | None, Field(description="Without effect here")] = None
    ray: Annotated[RayConfig, Field(description="Settings of ray-nni")] = RayConfig()

    def public_dict(self) -> dict[str, Any]:
        """The experiment as a v2 config without secrets, self-contained: the search space is in it."""
        public: dict[str, Any] = public_value(self)
        public.pop("searchSpaceFile", None)
        if self.ray.trial_environment:
            public["ray"]["trialEnvironment"] = self.ray.public_environment
        for host, options in self.ray.machines.items():
            public["ray"]["machines"][host]["trialEnvironment"] = options.public_environment
        return public


def is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    """Whether this is a model class. (To Python 3.10, `tuple[int, ...]` is an instance of type as well.)"""
    return get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel)


def model_of_values(annotation: Any) -> type[BaseModel] | None:
    """The model of a dict's values, if the annotation is a dict of such."""
    if get_origin(annotation) is not dict or not is_model(get_args(annotation)[1]):
        return None
    model: type[BaseModel] = get_args(annotation)[1]
    return model


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names, as such, in a union or in a tuple; those of a dict's values are not."""
    if is_model(annotation):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, tuple) or hasattr(annotation, "__metadata__"):
        return [model for part in get_args(annotation) for model in models_in(part)]
    return []
