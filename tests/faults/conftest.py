"""Tests of minutes: real processes, killed and starved. They load the machine, so ``scripts/test`` runs them alone."""

from __future__ import annotations

import pytest
from support.postgres import Cluster


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The URL of an empty database."""
    return cluster.new()
