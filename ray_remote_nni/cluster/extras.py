"""A package that only some experiments need on the head: brought when one starts, beside what `up` has brought."""

from __future__ import annotations

import io
from importlib import metadata

from ray_remote_nni.cluster.dependencies import ROOTS, pack_dependencies, plan_dependencies
from ray_remote_nni.cluster.distributions import available_here
from ray_remote_nni.cluster.facts import Question, read_facts
from ray_remote_nni.cluster.library import install, library_folder
from ray_remote_nni.cluster.ports import FIRST_PORT, LAST_PORT
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import UsageError


async def bring_extra(connection: Transport, python: str, requirement: str, remedy: str) -> str | None:
    """Send the head what its Python lacks of a requirement, with all that this needs in turn.

    Return the folder there that is to come first on PYTHONPATH, None where nothing is missing. Raises MachineError
    where pip cannot get what does not fit as it is here, and UsageError, with the remedy, where it is not here at all.
    """
    try:
        here = available_here((*ROOTS, requirement))
    except metadata.PackageNotFoundError as error:
        raise UsageError(f"{requirement} is needed, and {error.name} is not installed here. {remedy}") from error
    asked = Question("", "", tuple(here), ports=0, first_port=FIRST_PORT, last_port=LAST_PORT)
    facts = await read_facts(connection, asked, python_path=None, python=python)
    brought = plan_dependencies(available_here(ROOTS), facts)
    plan = plan_dependencies(here, facts, (*ROOTS, requirement), brought)
    if plan.folder is None:
        return None
    if plan.folder not in facts.installed:
        archive = await pack_dependencies(plan, connection.host, facts, (requirement,))
        await install(connection, python, plan.folder, io.BytesIO(archive))
    return library_folder(facts.home, plan.folder)
