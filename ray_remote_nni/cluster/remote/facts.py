"""Tells everything about a machine that decides how a cluster is made of it, in one go.

Runs in any Python 3.6 and up, so that one that is too old can be told so.
"""

import errno
import json
import os
import platform
import random
import socket
import subprocess
import sys
import threading
import time


def main(arguments, stream):
    """Return the facts as a JSON object, but for those of `place.py` and `limits.py`; `MachineFacts` explains each."""
    from importlib.util import find_spec

    # Windows takes these slashes too, and so all paths of ours look alike.
    home = os.path.expanduser("~").replace(os.sep, "/")
    return {
        "system": platform.system(),
        "system_name": system_name(),
        "architecture": platform.machine(),
        "libc": platform.libc_ver()[1],
        "hostname": socket.gethostname(),
        "boot_id": boot_id(),
        "home": home,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "python": sys.executable,
        "python_version": list(sys.version_info[:3]),
        "distributions": distributions(arguments["distributions"]),
        "ray_has_dashboard": find_spec("ray") is not None and find_spec("aiohttp_cors") is not None,
        "gpus": gpus(),
        "addresses": addresses(),
        "ssh_address": (os.environ.get("SSH_CONNECTION", "").split() + [""] * 4)[2],
        "hostname_resolves": resolves(socket.gethostname()),
        "taken_ports": owners(
            [port for port in arguments["fixed_ports"] if not is_free(port)],
            under(home, "clusters"),
            arguments["guard_file"],
        ),
        "clock": time.time(),
        "free_ports": free_ports(arguments["ports"], arguments["first_port"], arguments["last_port"]),
        "installed": folders(under(home, "lib")),
        "guard": guard(under(home, "clusters", arguments["cluster"], arguments["node"], arguments["guard_file"])),
    }


def under(home, *names):
    """Return a path of ours."""
    return os.path.join(home, ".ray-nni", *names)


def folders(path):
    """Return the names in a folder; empty where there is none."""
    try:
        return os.listdir(path)
    except OSError:
        return []


def boot_id():
    """Return what tells this run of this kernel from all others; empty where nothing does."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def memory_bytes():
    """Return the size of the memory, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def distributions(wanted):
    """Return the versions of those of the wanted Python distributions that are installed."""
    try:
        from importlib.metadata import PackageNotFoundError, version
    except ImportError:
        return {}
    found = {}
    for name in wanted:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def gpus():
    """Return the indices of the GPUs; empty where nvidia-smi is not there or fails."""
    listed = nvidia_smi("--query-gpu=index", "--format=csv,noheader").split()
    found = [int(line) for line in listed if line.isdigit()]
    if found:
        return found
    lines = nvidia_smi("-L").splitlines()
    return [int(line[4:].split(":")[0]) for line in lines if line.startswith("GPU ") and line[4:5].isdigit()]


def nvidia_smi(*arguments):
    """Return what nvidia-smi prints; nothing where it is not there, fails or hangs."""
    try:
        done = subprocess.run(["nvidia-smi", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def addresses():
    """Return the addresses of the machine's interfaces, the one of the default route first, loopback last."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it only chooses a route. The address is of the range that
            # is kept for documentation, so nobody has it.
            probe.connect(("192.0.2.254", 9))
            found.append(probe.getsockname()[0])
        except OSError:
            pass
    try:
        listing = subprocess.run(["ip", "-o", "addr"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5)
        found += [line.split()[3].split("/")[0] for line in listing.stdout.decode().splitlines()]
    except (OSError, subprocess.TimeoutExpired):
        try:
            found += socket.gethostbyname_ex(socket.gethostname())[2]
        except OSError:
            pass
    return sorted(dict.fromkeys(found), key=lambda address: address.startswith("127.") or address == "::1")


def free_ports(count, first, last):
    """Return `count` TCP ports between `first` and `last` that nothing listens on, at all addresses."""
    candidates = list(range(first, last + 1))
    random.shuffle(candidates)
    found = []
    for port in candidates:
        if len(found) == count:
            break
        if is_free(port):
            found.append(port)
    return found


def is_free(port):
    """Tell whether nothing listens on a TCP port, at all addresses of both kinds."""
    for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family) as probe:
                # What a connection leaves behind for a minute is nobody who listens.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError as error:
            # A machine may have no IPv6.
            if family == socket.AF_INET or error.errno == errno.EADDRINUSE:
                return False
    return True


def owners(ports, clusters, guard_file):
    """Return [port, cluster] for each TCP port that is taken: the cluster of ours in that folder, "" where none has it.

    A node's processes are all below its guard, and only their owner can see what they listen on.
    """
    guards = {}
    if ports:
        for cluster in folders(clusters):
            for node in folders(os.path.join(clusters, cluster)):
                guards[guard(os.path.join(clusters, cluster, node, guard_file))] = cluster
    guards.pop(None, None)
    parents = {int(pid): parent(pid) for pid in os.listdir("/proc") if pid.isdigit()} if guards else {}
    sockets = {}
    for pid in parents:
        above = pid
        while above and above not in guards:
            above = parents.get(above)
        if above:
            sockets.update(dict.fromkeys(links("/proc/{}/fd".format(pid)), guards[above]))
    found = dict.fromkeys(ports, "")
    for port, inode in listeners() if sockets else []:
        if port in found:
            found[port] = sockets.get("socket:[{}]".format(inode)) or found[port]
    return sorted(found.items())


def parent(pid):
    """Return the parent of a process, None where there is no such process."""
    try:
        with open("/proc/{}/stat".format(pid), "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def links(folder):
    """Return what the links in a folder lead to; empty where that may not be seen."""
    found = []
    for name in folders(folder):
        try:
            found.append(os.readlink(os.path.join(folder, name)))
        except OSError:
            pass
    return found


def listeners():
    """Return the port and the socket's number of all that listens for TCP."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as file:
                rows = [line.split() for line in file]
        except OSError:
            continue
        found += [(int(row[1].rpartition(":")[2], 16), row[9]) for row in rows[1:] if row[3] == "0A"]
    return found


def system_name():
    """Return what the operating system calls itself; its kernel's name where it does not."""
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            known = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
        return known["PRETTY_NAME"].strip("\"'")
    except (OSError, KeyError):
        return platform.system()


def resolves(name):
    """Tell whether a host name leads to an address, and at once."""
    found = []

    def ask():
        try:
            found.extend(socket.getaddrinfo(name, None))
        except OSError:
            pass

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(2)
    return bool(found)


def guard(path):
    """Return the nanny's PID of a guard of ours that runs here and wrote this file, None where there is none."""
    try:
        with open(path) as file:
            known = json.load(file)
        with open("/proc/{}/stat".format(known["pid"])) as file:
            fields = file.read().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    same = int(fields[19]) == known["start_ticks"] and fields[0] not in "ZX"
    return known["pid"] if same else None
