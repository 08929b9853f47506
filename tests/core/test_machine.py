"""Cores and memory of a container, by files like those of Linux's control groups in both versions."""

import os
from pathlib import Path

import pytest

from kdlab.core.machine import cores, free_memory

GB = 10**9


def machine(root: Path, **files: str) -> Path:
    """A root folder with 8 GB available and the files named; `__` in a name stands for a slash, `_` for itself."""
    for name, text in {"proc__meminfo": "MemTotal: 16000000 kB\nMemAvailable: 7812500 kB\n", **files}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)


def test_without_limits_it_is_the_machine(tmp_path: Path) -> None:
    assert cores(machine(tmp_path)) == 8
    assert free_memory(tmp_path) == 8 * GB
    unlimited = {"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__cpu.max": "max 100000\n"}
    assert cores(machine(tmp_path, **unlimited)) == 8
    assert free_memory(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(("quota", "expected"), [("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1)])
def test_version_2_limits_the_group_and_those_around_it(tmp_path: Path, quota: str, expected: int) -> None:
    """The inner group has no limit; the one that holds it has."""
    group = {
        "proc__self__cgroup": "0::/user/lab\n",
        "sys__fs__cgroup__user__lab__cpu.max": "max 100000\n",
        "sys__fs__cgroup__user__cpu.max": f"{quota}\n",
        "sys__fs__cgroup__user__lab__memory.max": "max\n",
        "sys__fs__cgroup__user__lab__memory.current": f"{GB}\n",
        "sys__fs__cgroup__user__memory.max": f"{2 * GB}\n",
        "sys__fs__cgroup__user__memory.current": f"{GB}\n",
        "sys__fs__cgroup__user__memory.stat": f"anon 5\ninactive_file {GB // 2}\n",
    }
    assert cores(machine(tmp_path, **group)) == expected
    assert free_memory(tmp_path) == 3 * GB // 2


def test_version_1_has_a_place_for_each(tmp_path: Path) -> None:
    group = {
        "proc__self__cgroup": "5:cpuset:/x\n4:memory:/lab\n3:cpu,cpuacct:/lab\n",
        "sys__fs__cgroup__cpu__lab__cpu.cfs_quota_us": "300000\n",
        "sys__fs__cgroup__cpu__lab__cpu.cfs_period_us": "100000\n",
        "sys__fs__cgroup__cpu__cpu.cfs_quota_us": "-1\n",
        "sys__fs__cgroup__cpu__cpu.cfs_period_us": "100000\n",
        "sys__fs__cgroup__memory__lab__memory.limit_in_bytes": f"{GB}\n",
        "sys__fs__cgroup__memory__lab__memory.usage_in_bytes": f"{GB // 4}\n",
    }
    assert cores(machine(tmp_path, **group)) == 3
    assert free_memory(tmp_path) == 3 * GB // 4
