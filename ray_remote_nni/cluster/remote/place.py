"""Tells of the folder on a machine that what is ours goes to, and of its disk: sent with `facts.py`.

Runs in any Python 3.6 and up.
"""

import os
import shutil
import socket
import tempfile


def place_facts():
    """Return the facts as a JSON object; `MachineFacts` says what each of them is."""
    home = os.path.expanduser("~").replace(os.sep, "/")
    root = os.path.join(home, ".ray-nni")
    place = os.path.realpath(root).replace(os.sep, "/") if os.path.isdir(root) else home
    return {
        "place": place,
        "root_problem": root_problem(root),
        "write_problem": write_problem(place),
        "tmp_problem": write_problem("/tmp"),
        "noexec": is_noexec(place),
        "takes_sockets": takes_sockets(place),
        "lock_problem": lock_problem(place),
        "free_bytes": free_bytes(place),
        "free_files": free_files(place),
    }


def root_problem(root):
    """Return what lies in the place of the folder of ours, or in it, that we cannot use; empty where all is well."""
    if not os.path.lexists(root):
        return ""
    if not os.path.exists(root):
        return "it is a link that leads nowhere"
    if not os.path.isdir(root):
        return "it is a file"
    if hasattr(os, "getuid") and os.stat(root).st_uid != os.getuid():
        return "it belongs to " + owner_name(os.stat(root).st_uid)
    for name in ("clusters", "code", "experiments", "lib", "runtime"):
        path = os.path.join(root, name)
        if os.path.lexists(path) and not (os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK)):
            return name + " in it is no folder that can be written to"
    return ""


def owner_name(number):
    """Return what the user of this number is called, the number where nobody knows."""
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return "user {}".format(number)


def write_problem(folder):
    """Return why nothing can be written into a folder, in the system's words; empty where it can be."""
    try:
        # Only writing tells of a quota, of a disk without room or inodes, and of one that is mounted read-only.
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 65536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return ""


def lock_problem(folder):
    """Return why no file in a folder can be locked, in the system's words; empty where one can, or none can be made."""
    try:
        import fcntl

        # A file for each: where a disk has both by the same means, as NFS does, one kind bars the other.
        for lock in (fcntl.flock, fcntl.lockf):
            with tempfile.TemporaryFile(dir=folder) as file:
                try:
                    lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    return error.strerror or str(error)
    except (ImportError, OSError):
        pass
    return ""


def takes_sockets(folder):
    """Tell whether there may be sockets in a folder: AFS and file systems of FUSE have none, say.

    Where nothing can be written, or the path of one would be too long, it makes no difference.
    """
    # Machines that share the folder are asked at the same time, and containers may have the same few PIDs.
    path = os.path.join(folder, ".ray-nni-{}".format(os.urandom(6).hex()))
    if not hasattr(socket, "AF_UNIX") or len(os.fsencode(path)) > 100 or write_problem(folder):
        return True
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(path)
        os.unlink(path)
    except OSError:
        return False
    return True


def is_noexec(path):
    """Tell whether no program or library may be loaded from the disk of a folder."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)
    except (AttributeError, OSError):
        return False


def free_bytes(path):
    """Return how much fits onto the disk of a folder, 0 where there is no such folder."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return 0


def free_files(path):
    """Return how many files more the disk of a folder takes, None where it has no limit of its own, or does not say."""
    try:
        disk = os.statvfs(path)
    except (AttributeError, OSError):
        return None
    return disk.f_favail if disk.f_files else None
