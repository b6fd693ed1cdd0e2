"""Delivers into Docker config files and `auth.json`: `output` is a login's, `writers` are all's."""

from __future__ import annotations

from lightkeeper.adapters.docker_file.output import DockerFile
from lightkeeper.adapters.docker_file.writers import FileOptions, FileWriters

__all__ = ["DockerFile", "FileOptions", "FileWriters"]
