"""The head of a cluster as an experiment's client deals with it: its modules, its folders, its jobs."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from ray_remote_nni.cluster.dashboard import Dashboard
from ray_remote_nni.cluster.library import library_folder
from ray_remote_nni.cluster.module import ask_module, run_module
from ray_remote_nni.cluster.state import ClusterState, MachineState
from ray_remote_nni.cluster.transport import Stream, Transport


@dataclass(frozen=True)
class Head:
    """An open connection to the head."""

    state: ClusterState
    connection: Transport

    @property
    def machine(self) -> MachineState:
        """Return the head's machine."""
        return self.state.head

    @property
    def library(self) -> str:
        """Return the folder of our package there."""
        return library_folder(self.machine.home, self.state.library)

    def experiment_directory(self, experiment_id: str) -> str:
        """Return an experiment's folder there."""
        return f"{self.machine.home}/.ray-nni/experiments/{experiment_id}"

    async def ask(self, module: str, question: dict[str, Any]) -> dict[str, Any]:
        """Run a module of ours that answers one JSON object with another."""
        return await ask_module(self.connection, self.machine.python, self.library, module, question)

    def run(self, module: str, *arguments: str) -> AbstractAsyncContextManager[Stream]:
        """Run a module of ours. It bears the node's mark, so that `down` ends it should its client forget to."""
        machine = self.machine
        return run_module(self.connection, machine.python, self.library, module, arguments, mark=machine.directory)

    async def dashboard(self) -> Dashboard:
        """Return the dashboard, through a forward that lives as long as the connection."""
        port = await self.connection.forward(self.state.dashboard_port)
        return Dashboard(f"http://127.0.0.1:{port}", self.state.token)
