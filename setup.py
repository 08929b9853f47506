"""What pyproject.toml cannot say: that an editable install, too, brings the part of JupyterLab named there (data-files)."""

from setuptools import Distribution, setup


class WithData(Distribution):
    """A distribution that says that it has data; setuptools asks under this name, and takes silence for a no."""

    has_data = Distribution.has_data_files


setup(distclass=WithData)
