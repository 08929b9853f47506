#!/bin/sh
# On Python 3.11 find_spec("pip") makes a later import of setuptools in the same process fail.
#
# Seen with setuptools 81.0.0 and pip on Python 3.11. A hook that setuptools installs in every environment takes the
# question whether pip is there for pip itself, and hands out the standard library's distutils from then on. Asked for
# before setuptools was imported, its import ends in an AssertionError; so does what needs it, as torch.compile does on a
# CPU. Python 3.12 and later, which have no distutils, are not concerned: there this script has nothing to show.
#
# What to do: importlib.machinery.PathFinder.find_spec("pip"), which asks no hook, or importlib.metadata.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check setuptools==81.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys

if sys.version_info >= (3, 12):
    sys.exit("needs Python 3.11 or older: python3 is " + sys.version.split()[0])
found = {}
for how in ("importlib.util.find_spec", "importlib.machinery.PathFinder.find_spec"):
    code = f"import importlib.util, importlib.machinery; {how}('pip'); import setuptools"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    found[how] = (done.stderr.strip().splitlines() or ["setuptools is imported"])[-1].split(":")[0]
    print(f"{how}('pip'), then import setuptools: {found[how]}")
assert list(found.values()) == ["AssertionError", "setuptools is imported"]
PYTHON
