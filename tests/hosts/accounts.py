"""Private copies of a system's account files with one user more, to be mounted over the real ones."""

from __future__ import annotations

import ctypes
import pwd
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """A user of a machine."""

    name: str
    uid: int
    gid: int
    home: Path


def write_accounts(folder: Path, user: str, password: str | None) -> Account:
    """Write passwd, shadow and group into `folder`, with `user` in them, and return the account.

    Whoever has no password here can log in with a key: "*", and not "!" as on some systems, with which an SSH
    server without PAM takes the account for locked.
    """
    known = {account.pw_name: account for account in pwd.getpwall()}
    if user in known:
        account = Account(user, known[user].pw_uid, known[user].pw_gid, Path(known[user].pw_dir))
        more = ""
    else:
        number = next(n for n in range(5001, 60000) if n not in {other.pw_uid for other in known.values()})
        account = Account(user, number, number, Path("/home") / user)
        more = f"{user}:x:{number}:{number}:{user}:{account.home}:/bin/bash\n"
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + more)
    (folder / "group").write_text(Path("/etc/group").read_text() + (f"{user}:x:{account.gid}:\n" if more else ""))
    for name in ("passwd", "group"):
        (folder / name).chmod(0o644)
    secret = _crypt(password) if password else "*"
    others = [line for line in Path("/etc/shadow").read_text().splitlines() if not line.startswith(f"{user}:")]
    shadow = folder / "shadow"
    shadow.touch(mode=0o600)
    shadow.write_text("\n".join([*others, f"{user}:{secret}:19000:0:99999:7:::"]) + "\n")
    return account


def _crypt(password: str) -> str:
    # Python has no crypt module from 3.13 on; the C library that the SSH server checks with is always there.
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed: bytes = crypt(password.encode(), f"$6${secrets.token_hex(8)}$".encode())
    return hashed.decode()
