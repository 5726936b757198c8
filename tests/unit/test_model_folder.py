"""Saved models: whole or not at all, whatever kills the process; what is corrupt, foreign or pickled is refused."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import signal
import sys

import pytest
import torch

from compressing import catalogue, llama, logits, session_with_compressors
from greenllm_kernel import load_model
from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.folder.manifest import FILE_NAME, OWN_WEIGHTS, STANDARD_WEIGHTS
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.errors import ModelFolderError

CATALOGUE = catalogue()


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors()
    yield made
    made.close(1.0)


@pytest.fixture(scope="module")
def small(session):
    return compress(llama(num_hidden_layers=1), "- prune_mlp: {remove: 0.5}", session=session)


@pytest.fixture(scope="module")
def packed(session):
    return compress(llama(num_hidden_layers=1), "- int8_dynamic", session=session)


def load(folder):
    return load_model(folder, catalogue=CATALOGUE)


def is_model(folder, result):
    return torch.equal(logits(load(folder)), logits(result.model))


def test_a_folder_says_what_the_model_has_gone_through(packed, tmp_path):
    packed.save(tmp_path / "model")

    data = json.loads((tmp_path / "model" / FILE_NAME).read_text())

    assert data["architecture"] == "LlamaForCausalLM"
    assert [step["method"] for step in data["steps"]] == ["int8_dynamic"]
    assert data["made"]["record"]["energy"]["gross_j"] > 0
    assert set(data["files"]) == {"config.json", "generation_config.json", OWN_WEIGHTS}


def test_saving_replaces_what_was_there_whole(small, packed, tmp_path):
    small.save(tmp_path / "model")
    packed.save(tmp_path / "model")

    assert is_model(tmp_path / "model", packed)
    assert not (tmp_path / "model" / STANDARD_WEIGHTS).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_in_the_working_directory_will_do(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small.save("model")

    assert is_model("model", small)


def test_what_is_no_model_is_not_replaced(small, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("much work")
    (tmp_path / "file").write_text("text")

    with pytest.raises(ModelFolderError, match="thesis holds something that was not saved so .* name another folder"):
        small.save(tmp_path / "thesis")
    with pytest.raises(ModelFolderError, match="is a file; name a folder"):
        small.save(tmp_path / "file")

    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "much work"


def test_a_folder_of_a_trainer_is_not_replaced_though_it_holds_a_model(small, tmp_path):
    out = tmp_path / "out"
    llama(num_hidden_layers=1).save_pretrained(out)
    with pytest.raises(ModelFolderError, match=f"it has no {FILE_NAME}"):
        small.save(out)

    for path in out.iterdir():
        path.unlink()
    small.save(out)
    checkpoint = out / "checkpoint-500"
    checkpoint.mkdir()
    (checkpoint / "optimizer.pt").write_text("hours")
    with pytest.raises(ModelFolderError, match="holds a folder that was not saved with it .checkpoint-500."):
        small.save(out)

    assert (checkpoint / "optimizer.pt").read_text() == "hours" and is_model(out, small)


def test_the_home_folder_s_sign_is_the_same_folder_to_all(small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models" / "many").mkdir(parents=True)
    with pytest.raises(ModelFolderError, match="models holds something that was not saved so"):
        small.save("~/models")

    assert small.save("~/small") == tmp_path / "small"
    assert is_model("~/small", small)
    assert {path.name for path in tmp_path.iterdir()} == {"models", "small"} and (tmp_path / "models/many").is_dir()


def test_what_cannot_be_written_leaves_the_former_model(small, packed, tmp_path, monkeypatch):
    small.save(tmp_path / "model")
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(ModelFolderError, match="No space left on device.*what was there is as before"):
        packed.save(tmp_path / "model")

    assert is_model(tmp_path / "model", small)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def killed(action, kill):
    """Run an action in a copy of this process that ``kill`` ends sooner or later; tell whether it came to its end."""
    child = os.fork()
    if child == 0:
        os.close(2)  # what the child has to say of its end
        try:
            kill()
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return status == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no copies of processes here")
def test_killed_at_any_step_the_former_or_the_new_model_is_there(small, packed, tmp_path):
    folder = tmp_path / "model"
    small.save(folder)
    names = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree", "os.scandir"}
    outcomes, step, is_whole = [], 0, False

    while not is_whole:
        step += 1

        def kill(last=step):
            def watch(event, arguments, count=[0]):  # noqa: B006 (kept from call to call)
                if event in names and str(tmp_path) in str(arguments[0]):
                    count[0] += 1
                    if count[0] == last:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(watch)

        is_whole = killed(lambda: packed.save(folder), kill)
        outcomes.append("new" if is_model(folder, packed) else "former" if is_model(folder, small) else "none")
        small.save(folder)
        assert step < 200

    assert "none" not in outcomes
    assert outcomes[0] == "former" and outcomes[-1] == "new" and len(outcomes) > 8
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(sys.platform != "linux", reason="killed by the limit on a file's size")
@pytest.mark.parametrize("limit", [0, 1, 100, 4096, 20_001])
def test_killed_at_any_byte_the_former_model_is_there(limit, small, packed, tmp_path):
    small.save(tmp_path / "model")

    def kill():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    assert not killed(lambda: packed.save(tmp_path / "model"), kill)
    assert is_model(tmp_path / "model", small)


# ---- What is not whole, or not ours


@pytest.fixture
def folder(packed, tmp_path):
    return packed.save(tmp_path / "model")


def test_weights_that_are_cut_off_are_refused(folder):
    weights = folder / OWN_WEIGHTS
    whole = weights.read_bytes()
    for length in (0, 7, 8, 500, len(whole) - 1):
        weights.write_bytes(whole[:length])
        with pytest.raises(ModelFolderError, match=f"{OWN_WEIGHTS} has {length:,} bytes, not the"):
            load(folder)


def test_a_changed_byte_is_found(folder):
    for name in (OWN_WEIGHTS, "config.json"):
        shutil.copy(folder / name, folder.parent / "kept")
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)
        with pytest.raises(ModelFolderError, match="is not what was saved"):
            load(folder)
        shutil.copy(folder.parent / "kept", folder / name)
    load(folder)


def test_a_missing_file_is_named(folder):
    (folder / OWN_WEIGHTS).unlink()

    with pytest.raises(ModelFolderError, match=f"{OWN_WEIGHTS} is missing"):
        load(folder)


def rewritten(folder, **changes):
    path = folder / FILE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": 99}, "is of schema 99; this version reads schema 1"),
        ({"steps": "none"}, "is not whole"),
        ({"files": {}}, "is not whole"),
        ({"weights": "../../etc/passwd"}, "is not whole"),
        ({"architecture": "OwnForCausalLM"}, "has no model 'OwnForCausalLM'"),
        ({"architecture": "AutoConfig"}, "has no model 'AutoConfig'"),
        ({"steps": [{"method": "melt", "version": 1, "settings": {}, "metadata": {}}]}, "no compressor 'melt'"),
        ({"steps": [{"method": "int8_dynamic", "version": 9, "settings": {}, "metadata": {}}]}, "of version 9"),
        ({"steps": [{"method": "int8_dynamic"}]}, "step 1"),
        (
            {"steps": [{"method": "int8_dynamic", "version": 1, "settings": {}, "metadata": {"layers": ["none"]}}]},
            "cannot be restored",
        ),
        ({"steps": []}, "cannot be restored"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(changes, said, folder):
    rewritten(folder, **changes)

    with pytest.raises(ModelFolderError, match=said):
        load(folder)


def test_a_manifest_that_is_cut_off_is_refused(folder):
    path = folder / FILE_NAME
    path.write_bytes(path.read_bytes()[:100])

    with pytest.raises(ModelFolderError, match="cannot be read"):
        load(folder)


def test_what_a_plugin_packed_needs_the_plugin(folder):
    with pytest.raises(ModelFolderError, match="compressed by something that is not installed here"):
        load_model(folder, catalogue=Catalogue([]))


class Harmful:
    def __reduce__(self):
        return (os.mkdir, ("harm",))


def test_pickles_are_refused_unread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model"
    llama().config.save_pretrained(model)
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Harmful()))

    with pytest.raises(ModelFolderError, match="as pickle, which can run any code"):
        load(model)
    with pytest.raises(ModelFolderError, match="a pickle can run any code"):
        load(model / "pytorch_model.bin")

    assert not (tmp_path / "harm").exists()


def test_a_folder_of_transformers_is_loaded_as_it_is(tmp_path):
    given = llama()
    given.save_pretrained(tmp_path / "model")

    assert torch.equal(logits(load(tmp_path / "model")), logits(given))


def test_a_folder_of_transformers_that_is_cut_off_is_refused(tmp_path):
    llama().save_pretrained(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])

    with pytest.raises(ModelFolderError, match="cannot be loaded"):
        load(tmp_path / "model")


def test_what_is_no_model_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("text")
    llama().config.save_pretrained(tmp_path / "bare")

    for path, said in (
        ("empty", "is no model: it has neither"),
        ("none", "there is no folder"),
        ("text.txt", "a file; name a folder"),
        ("bare", "has no weights"),
    ):
        with pytest.raises(ModelFolderError, match=said):
            load(tmp_path / path)


def test_only_models_of_transformers_are_saved(session, tmp_path):
    given = torch.nn.Sequential(torch.nn.Linear(8, 8))

    result = compress(given, "- int8_dynamic", session=session)

    with pytest.raises(ModelFolderError, match="only models of transformers can be saved, not a Sequential"):
        result.save(tmp_path / "model")
