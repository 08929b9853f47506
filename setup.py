"""What pyproject.toml cannot say: an editable install, too, brings the part of JupyterLab named there (data-files)."""

from setuptools import Distribution, setup


class WithData(Distribution):
    """A distribution that answers the question which setuptools asks of an editable install: under no other name."""

    has_data = Distribution.has_data_files


setup(distclass=WithData)
