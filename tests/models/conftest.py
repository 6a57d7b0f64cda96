"""No test of this folder may reach the network."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture(scope="session")
def caches(tmp_path_factory):
    """Compiled networks of all these tests: the same are loaded again and again."""
    return tmp_path_factory.mktemp("caches")


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path, caches):
    def refuse(*args, **kwargs):
        raise OSError("the network is off in tests")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for variable in ("HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache" / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches))
