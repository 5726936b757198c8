"""What unit tests share."""

from __future__ import annotations

import pytest

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.plugins import Plugins
from sessions import Recorder


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path_factory, monkeypatch):
    """Keep idle powers and ledgers of tests out of the user's own folder."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path_factory.mktemp("jupyter-data")))


@pytest.fixture
def start():
    sessions = []

    def started(*meters, recorder=None, configuration=None):
        recorder = recorder or Recorder(*meters)
        plugins = Plugins(found=[])
        plugins.register(recorder, "recorder")
        session = Session(configuration or Configuration(), plugins)
        plugins._on_fault = session.warn
        sessions.append(session)
        return session, recorder

    yield started
    for session in sessions:
        session.close(3.0)
