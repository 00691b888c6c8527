"""Tells how many processes and threads a user may start on a machine: sent with `facts.py`.

Runs in any Python 3.6 and up.
"""

import os

#: Who may start as many is not asked how many there are: to count them takes long where there are that many.
PLENTY = 10000


def limit_facts():
    """Return the facts as a JSON object; `MachineFacts` says what each of them is."""
    limits = [*cgroup_limits("/proc/self/cgroup", "/sys/fs/cgroup"), *user_limits("/proc")]
    if not limits:
        return {"process_room": None, "process_limit": ""}
    room, limit = min((most - used, f"{name} is {most}") for name, most, used in limits)
    return {"process_room": max(room, 0), "process_limit": limit}


def cgroup_limits(own, mounted):
    """Return (name, limit, how many there are) for each control group that this process is in and that has a limit.

    The group may be one of version 1 or 2; those above it count as well.
    """
    found = []
    for line in lines(own):
        _, controllers, path = line.split(":", 2)
        if controllers and "pids" not in controllers.split(","):
            continue
        top = os.path.join(mounted, "pids") if controllers else mounted
        parts = [part for part in path.split("/") if part and part != ".."]
        # In a container the group's own path leads nowhere: there it is the topmost one.
        for folder in {os.path.join(top, *parts[:count]) for count in range(len(parts) + 1)}:
            most, used = lines(os.path.join(folder, "pids.max")), lines(os.path.join(folder, "pids.current"))
            if most and used and most[0].isdigit():
                found.append(("pids.max of its control group", int(most[0]), int(used[0])))
    return found


def user_limits(processes):
    """Return (name, limit, how many there are) for the limit of this user, which root does not have.

    Nothing where the system does not tell in the folder `processes` what runs.
    """
    if not hasattr(os, "getuid") or os.getuid() == 0 or not os.path.isdir(processes):
        return []
    import resource

    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if most == resource.RLIM_INFINITY or most >= PLENTY:
        return []
    used = 0
    for pid in os.listdir(processes):
        if pid.isdigit():
            status = dict(line.split(":", 1) for line in lines(os.path.join(processes, pid, "status")) if ":" in line)
            if status.get("Uid", "-1").split()[0] == str(os.getuid()):
                used += int(status["Threads"])
    return [("ulimit -u", most, used)]


def lines(path):
    """Return the lines of a file; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []
