#!/bin/sh
# setuptools: data files named in pyproject.toml are in a wheel, and silently not in an editable install of the same
# project, though the code that makes the editable wheel has a step that installs them.
#
# Seen with setuptools 84.2.1 and pip 26.0. `_run_install` in setuptools/command/editable_wheel.py is called with
# "headers", "scripts" and "data", and asks the distribution for has_headers, has_scripts and has_data. The last name
# does not exist: the distribution calls it has_data_files. So the answer is always no, and nothing is said. PEP 660
# leaves such files to the backend. What needs them, say a part of JupyterLab in share/jupyter, is there for whoever
# installs the package and missing for whoever works on it.
#
# What to do: a setup.py that gives the distribution the name that is asked for, as below.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip() { "$folder/venv/bin/python" -m pip "$@" --quiet --disable-pip-version-check; }
pip install pip==26.0 setuptools==84.2.1
mkdir "$folder/project"
cd "$folder/project"
echo "hello" > hello.txt
echo "" > with_data.py
cat > pyproject.toml <<'TOML'
[build-system]
requires = ["setuptools==84.2.1"]
build-backend = "setuptools.build_meta"

[project]
name = "with-data"
version = "1"

[tool.setuptools]
py-modules = ["with_data"]

[tool.setuptools.data-files]
"share/with-data" = ["hello.txt"]
TOML
there() { test -f "$folder/venv/share/with-data/hello.txt"; }
install() { pip install --no-deps --no-build-isolation "$@"; }

install .
there && echo "an ordinary install: the file is there"
pip uninstall --yes with-data

said=$(install --editable . 2>&1)
! there && test -z "$said" && echo "an editable install: the file is not there, and nothing is said"
pip uninstall --yes with-data

cat > setup.py <<'PYTHON'
from setuptools import Distribution, setup


class WithData(Distribution):
    has_data = Distribution.has_data_files


setup(distclass=WithData)
PYTHON
install --editable .
there && echo "an editable install of a distribution that has has_data: the file is there"
echo "as stated"
