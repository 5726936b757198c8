"""What cannot be compressed is refused with the reason before anything is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import LlamaForCausalLM

from compressing import llama, session_with_compressors
from greenllm_kernel.compression import runner
from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.host import Host, _memory_free_bytes
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.errors import CompressionError, ModelFolderError, RecipeError
from misbehaving import Own


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors(Own())
    yield made
    made.close(1.0)


def test_a_model_that_is_not_finite_as_given_is_refused(session):
    model = llama()
    with torch.no_grad():
        model.lm_head.weight[3, 4] = float("inf")

    with pytest.raises(CompressionError, match="lm_head.weight has values that are not finite"):
        compress(model, "- low_rank", session=session)


def test_too_little_memory_is_refused_before_anything_is_touched(session, monkeypatch):
    here = Host.here()
    monkeypatch.setattr(runner.Host, "here", classmethod(lambda cls: replace(here, memory_free_bytes=100_000)))
    model = llama()

    with pytest.raises(RecipeError, match="1 more of its size .* do not fit into the free memory"):
        compress(model, "- telling", session=session)
    with pytest.raises(RecipeError, match=r"2 more of its size .*\n?.* Run the steps one by one"):
        compress(model, "- telling\n- telling", session=session)


def test_the_memory_that_is_free_is_at_most_what_the_container_has_left(tmp_path):
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    assert _memory_free_bytes(tmp_path) == 3_000_000
    (tmp_path / "memory.stat").write_text("anon 600000\nfile 1400000\ninactive_file 1000000\nactive_file 400000\n")
    assert _memory_free_bytes(tmp_path) == 4_000_000

    (tmp_path / "memory.max").write_text("max\n")
    assert _memory_free_bytes(tmp_path) > 3_000_000
    assert _memory_free_bytes(tmp_path / "none") > 3_000_000


def test_a_folder_that_is_not_there_is_refused_and_nothing_is_fetched(session):
    with pytest.raises(ModelFolderError, match="there is no folder .*; nothing is fetched from a hub"):
        compress("meta-llama/Llama-3.2-1B", "- int8_dynamic", session=session)


def test_a_check_that_fails_is_a_refusal(session):
    with pytest.raises(RecipeError, match=r"step 1 \(confused\): its check failed: AttributeError"):
        compress(llama(), "- confused", session=session)


def test_what_is_no_model_is_said(session):
    with pytest.raises(CompressionError, match="not a dict"):
        compress({"weights": 3}, "- low_rank", session=session)


def test_a_device_that_the_given_model_has_broken_is_told_of(session, monkeypatch):
    def failing(self, **inputs):
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(LlamaForCausalLM, "forward", failing)

    with pytest.raises(CompressionError, match="device-side assert triggered; restart the kernel"):
        compress(llama(), "- telling", session=session)


def test_a_refusal_reads_as_a_sentence_with_its_remedy():
    assert str(Refusal("it is too large", "Take a smaller one.")) == "it is too large. Take a smaller one."
