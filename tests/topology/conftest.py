from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.postgres import Cluster


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The URL of an empty database."""
    return cluster.new()


@pytest.fixture(scope="session")
def nginx() -> Path:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        pytest.skip("no nginx: apt-get install nginx-light")
    return Path(found)
