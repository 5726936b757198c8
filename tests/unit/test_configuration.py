"""The configuration file and the environment: defaults work, and what cannot be used is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import ConfigurationError


def test_without_a_file_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    assert Configuration.load({}) == Configuration()
    assert Configuration.load_usable({}) == (Configuration(), [])


def test_a_file_that_is_named_and_not_there_is_said(tmp_path):
    env = {"GREENLLM_CONFIG": str(tmp_path / "none.toml"), "GREENLLM_PUE": "1.5"}
    with pytest.raises(ConfigurationError, match="there is no file .*none.toml"):
        Configuration.load(env)
    configuration, (complaint,) = Configuration.load_usable(env)
    assert "there is no file" in complaint
    assert configuration == Configuration(pue=1.5)


def test_the_environment_overrides_the_file(tmp_path):
    file = tmp_path / "greenllm.toml"
    file.write_text('place = "FR"\npue = 1.2\n[meters.virtual]\nseed = 3\n')
    env = {"GREENLLM_CONFIG": str(file), "GREENLLM_PLACE": "us-ca", "GREENLLM_USE_METERS": "virtual, nvml"}
    found = Configuration.load(env)
    assert found.place == "US-CA"
    assert found.pue == 1.2
    assert found.use_meters == frozenset({"virtual", "nvml"})
    assert found.meters["virtual"] == {"seed": 3}


@pytest.mark.parametrize(("said", "means"), [("0", False), ("False", False), ("1", True), ("yes", True)])
def test_a_choice_in_the_environment_is_a_word(tmp_path, monkeypatch, said, means):
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    assert Configuration.load({"GREENLLM_WAIT_FOR_GPU": said}).wait_for_gpu is means


def test_a_folder_of_the_user_is_expanded():
    assert Configuration.from_mapping({"ledger": "~/l.sqlite"}).ledger == Path.home() / "l.sqlite"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("plaec = 'FR'", "unknown setting 'plaec'"),
        ("pue = 0.3", "from 1 to 10"),
        ("pue = 'much'", "from 1 to 10"),
        ("place = ''", "expected a text"),
        ("use_meters = 'nvml'", "expected a list of names"),
        ("meters = 3", "expected a table"),
        ("wait_for_gpu = 'sometimes'", "expected true or false"),
        ("place = ", "cannot read"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, text, reason):
    file = tmp_path / "greenllm.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        Configuration.load({"GREENLLM_CONFIG": str(file)})


def test_a_session_leaves_out_what_cannot_be_used_keeps_the_rest_and_says_so(tmp_path, monkeypatch):
    from greenllm_kernel.accounting.session import Session

    file = tmp_path / "greenllm.toml"
    file.write_text('pue = 0.1\nplace = "FR"\nplaec = "DE"\nuse_meters = ["virtual"]\nledger = "/l.sqlite"')
    monkeypatch.setenv("GREENLLM_CONFIG", str(file))
    session = Session()
    assert session.configuration == Configuration(
        place="FR", use_meters=frozenset({"virtual"}), ledger=Path("/l.sqlite")
    )
    assert ["pue = 0.1" in warning for warning in session.warnings] == [True, False]
    assert "unknown setting 'plaec'" in session.warnings[1]


def test_where_the_environments_value_cannot_be_used_the_files_holds(tmp_path):
    file = tmp_path / "greenllm.toml"
    file.write_text("pue = 1.2")
    configuration, (complaint,) = Configuration.load_usable({"GREENLLM_CONFIG": str(file), "GREENLLM_PUE": "0.5"})
    assert configuration.pue == 1.2
    assert "pue = '0.5'" in complaint
    assert "in the environment" in complaint
