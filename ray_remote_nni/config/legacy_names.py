"""The names of NNI's v1 schema and where each is in v2; None where v2 has no place for it.

Source: NNI's nni/experiment/config/convert.py, and the v1 schemas of NNI 0.5 to 2.10.
"""

from __future__ import annotations

from ray_remote_nni.config.names import FieldPath, fold

ROOT_FIELDS: dict[str, FieldPath | None] = {
    "authorName": None,
    "experimentName": ("experimentName",),
    "description": None,
    "trialConcurrency": ("trialConcurrency",),
    "maxExecDuration": ("maxExperimentDuration",),
    "maxTrialDuration": ("maxTrialDuration",),
    "maxTrialNum": ("maxTrialNumber",),
    "searchSpacePath": ("searchSpaceFile",),
    "useAnnotation": ("useAnnotation",),
    "nniManagerIp": ("nniManagerIp",),
    "logDir": ("experimentWorkingDirectory",),
    "debug": ("debug",),
    "logLevel": ("logLevel",),
    "sharedStorage": ("sharedStorage",),
    "ray": ("ray",),
    "multiPhase": None,
    "multiThread": None,
    "versionCheck": None,
    "logCollection": None,
}

# Blocks whose fields go to several places; the value is of no importance.
ROOT_BLOCKS: dict[str, None] = {
    "tuner": None,
    "assessor": None,
    "advisor": None,
    "trial": None,
    "localConfig": None,
    "remoteConfig": None,
    "machineList": None,
}

TRIAL_FIELDS: dict[str, FieldPath | None] = {
    "command": ("trialCommand",),
    "codeDir": ("trialCodeDirectory",),
    "gpuNum": ("trialGpuNumber",),
    "nasMode": None,
}

LOCAL_FIELDS: dict[str, FieldPath | None] = {
    "gpuIndices": ("trainingService", "gpuIndices"),
    "maxTrialNumPerGpu": ("trainingService", "maxTrialNumberPerGpu"),
    "useActiveGpu": ("trainingService", "useActiveGpu"),
}

REMOTE_FIELDS: dict[str, FieldPath | None] = {"reuse": ("trainingService", "reuseMode")}

MACHINE_FIELDS = {
    "ip": "host",
    "port": "port",
    "username": "user",
    "passwd": "password",
    "sshKeyPath": "sshKeyFile",
    "passphrase": "sshPassphrase",
    "gpuIndices": "gpuIndices",
    "maxTrialNumPerGpu": "maxTrialNumberPerGpu",
    "useActiveGpu": "useActiveGpu",
    "pythonPath": "pythonPath",
    "preCommand": "trialPrepareCommand",
}

# Beside these, builtinTunerName, builtinAssessorName or builtinAdvisorName.
ALGORITHM_FIELDS: dict[str, tuple[str, ...] | None] = {
    "codeDir": ("codeDirectory",),
    "classFileName": ("className",),
    "className": ("className",),
    "classArgs": ("classArgs",),
    "gpuIndices": ("tunerGpuIndices",),
    "gpuNum": None,
    "includeIntermediateResults": None,
}

# Fields of the platforms that are not supported, and what takes their place where something does.
OTHER_PLATFORMS: dict[str, str | None] = {
    **dict.fromkeys(("paiConfig", "paiYarnConfig", "kubeflowConfig", "frameworkcontrollerConfig", "amlConfig")),
    **dict.fromkeys(("dltsConfig", "hybridConfig", "image", "virtualCluster", "shmMB", "authFile", "portList")),
    **dict.fromkeys(("nniManagerNFSMountPath", "containerNFSMountPath", "paiStorageConfigName", "paiConfigPath")),
    **dict.fromkeys(("ps", "worker", "master", "taskRoles", "privateRegistryAuthPath", "adaptive", "namespace")),
    "cpuNum": "ray: {trialCpuNumber: 1} reserves CPUs for a trial",
    "memoryMB": "ray: {trialMemory: 8gb} reserves memory for a trial",
}

# What a v2 name that stands in a v1 file is called there.
V1_NAME_OF = {
    fold(v2): v1
    for v2, v1 in {
        "maxExperimentDuration": "maxExecDuration",
        "maxTrialNumber": "maxTrialNum",
        "searchSpaceFile": "searchSpacePath",
        "searchSpace": "searchSpacePath, the name of a file",
        "experimentWorkingDirectory": "logDir",
        "trialCommand": "command in the block trial",
        "trialCodeDirectory": "codeDir in the block trial",
        "trialGpuNumber": "gpuNum in the block trial",
        "trainingService": "trainingServicePlatform, with localConfig or machineList",
        "tunerGpuIndices": "gpuIndices in the block tuner",
        "maxTrialNumberPerGpu": "maxTrialNumPerGpu",
        "reuseMode": "reuse in the block remoteConfig",
        "host": "ip",
        "user": "username",
        "password": "passwd",
        "sshKeyFile": "sshKeyPath",
        "sshPassphrase": "passphrase",
        "trialPrepareCommand": "preCommand",
        "codeDirectory": "codeDir",
    }.items()
}
