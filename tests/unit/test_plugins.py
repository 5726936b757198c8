"""Plugins come in by entry points; one that fails is left out, says why, and hinders nobody."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.plugins import Plugins


@pytest.fixture
def entry_point(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def written(name: str, source: str) -> EntryPoint:
        (tmp_path / f"plugin_{name}.py").write_text("from greenllm_kernel.hookspecs import hookimpl\n" + source)
        sys.modules.pop(f"plugin_{name}", None)
        return EntryPoint(name, f"plugin_{name}", "greenllm")

    return written


GOOD = "@hookimpl\ndef greenllm_meters(config):\n    return ['a meter']\n"


def test_the_built_in_plugins_come_by_the_entry_points_of_anyone():
    plugins = Plugins()
    assert {"nvml", "rapl", "cpu_model", "ram_model", "virtual", "ledger", "codecarbon_data"} <= set(plugins.names)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('broken on import')", "cannot be imported: RuntimeError: broken on import"),
        ("import a_module_that_is_missing", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("@hookimpl\ndef greenllm_wattage(config):\n    pass", "does not fit the hooks"),
        ("@hookimpl\ndef greenllm_meters(config, colour):\n    pass", "does not fit the hooks"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_left_out_with_its_reason(entry_point, source, reason):
    said = []
    plugins = Plugins(on_fault=said.append, found=[entry_point("bad", source), entry_point("good", GOOD)])
    assert plugins.call("greenllm_meters", config=Configuration()) == [["a meter"]]
    assert len(said) == 1
    assert "plugin bad" in said[0]
    assert reason in said[0]


def test_a_hook_that_raises_is_reported_and_the_others_are_called(entry_point):
    said = []
    broken = "@hookimpl\ndef greenllm_meters(config):\n    raise OSError('no')\n"
    plugins = Plugins(on_fault=said.append, found=[entry_point("broken", broken), entry_point("good", GOOD)])
    assert plugins.call("greenllm_meters", config=Configuration()) == [["a meter"]]
    assert said == ["plugin broken failed in greenllm_meters: OSError: no"]


def test_a_disabled_plugin_is_not_even_imported(entry_point):
    said = []
    bad = entry_point("bad", "raise RuntimeError")
    plugins = Plugins(frozenset({"bad"}), on_fault=said.append, found=[bad, entry_point("good", GOOD)])
    assert plugins.names == ["good"]
    assert said == []


def test_a_second_plugin_of_a_name_is_reported_and_the_first_stays(entry_point):
    said = []
    plugins = Plugins(on_fault=said.append, found=[entry_point("good", GOOD)])
    plugins.register(object(), "good")
    assert plugins.call("greenllm_meters", config=Configuration()) == [["a meter"]]
    assert said == ["a second plugin named good is left out; each needs a name of its own"]


def test_of_two_installed_plugins_of_one_name_the_first_found_stays(entry_point):
    said = []
    first = entry_point("good", GOOD)
    other = EntryPoint("good", entry_point("other", GOOD.replace("a meter", "another")).value, "greenllm")
    plugins = Plugins(on_fault=said.append, found=[first, first, other])
    assert plugins.call("greenllm_meters", config=Configuration()) == [["a meter"]]
    assert said == ["a second plugin named good is left out; each needs a name of its own"]


def test_at_the_end_plugins_are_told_after_the_last_record_and_none_is_loaded_for_it(entry_point, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "told", told, raising=False)
    source = (
        "import sys\n@hookimpl\ndef greenllm_record(record):\n    sys.told.append(record.name)\n"
        "@hookimpl\ndef greenllm_end():\n    sys.told.append('end')\n"
    )
    late = entry_point("late", source)
    Session(Configuration(), Plugins(found=[late])).close()
    assert (told, "plugin_late" in sys.modules) == ([], False)
    session = Session(Configuration(), Plugins(found=[late]))
    session.open("last").close()
    session.close()
    assert told == ["last", "end"]
