"""A database of a real PostgreSQL for each of these tests."""

from __future__ import annotations

import pytest
from support.postgres import Cluster


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The URL of an empty database."""
    return cluster.new()
