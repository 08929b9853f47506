"""How many cores and how much memory this process may use: a container may have less than its machine.

Limits are those of Linux's control groups, version 1 or 2, of this process's group and of all that hold it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def cores(root: Path = ROOT) -> int:
    """How many cores this process may keep busy, at least one: those it may run on, within its group's quota."""
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [_quota(folder) for folder in _groups("cpu", root)]
    return max(1, int(min([ours, *(quota for quota in quotas if quota is not None)])))


def free_memory(root: Path = ROOT) -> int | None:
    """Bytes that are free for this process, or None on a system that does not say."""
    lines = _words(root / "proc/meminfo")
    if "MemAvailable:" not in lines:
        return None
    machine = 1024 * int(lines[lines.index("MemAvailable:") + 1])
    return max(0, min([machine, *(left for folder in _groups("memory", root) if (left := _left(folder)) is not None)]))


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """The folders of this process's control group and of those that hold it, in both versions' places."""
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, names, place = line.split(":", 2)
        if number == "0" or controller in names.split(","):
            top = mounted if number == "0" else mounted / controller
            inner = top / place.strip("/")
            yield from (folder for folder in (inner, *inner.parents) if folder == top or top in folder.parents)


def _quota(folder: Path) -> float | None:
    """Cores that a group may keep busy, None without a limit: cpu.max in version 2, two files in version 1."""
    quota, period = [*_words(folder / "cpu.max"), "", ""][:2]
    if not quota:
        quota, period = (_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _left(folder: Path) -> int | None:
    """Bytes left to a group, None without a limit. Files that are only kept in memory in case do not count."""
    for limit, usage, kept in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        allowed, used = (_text(folder / name).strip() for name in (limit, usage))
        if allowed.isdecimal() and used.isdecimal():
            words = _words(folder / "memory.stat")
            spare = int(words[words.index(kept) + 1]) if kept in words else 0
            return int(allowed) - int(used) + spare
    return None


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
