"""``%compare`` in a real kernel: what it shows, tells pages and keeps, and what it refuses before anything runs."""

from __future__ import annotations

import re

import pytest

from greenllm_kernel.accounting.ledger import Ledger
from live import LiveKernel
from message_schema import fits_schema

MODELS = """
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
torch.set_num_threads(1)

def llama(layers):
    torch.manual_seed(1)
    shape = dict(hidden_size=32, intermediate_size=64, num_attention_heads=4, vocab_size=256)
    return LlamaForCausalLM(LlamaConfig(num_hidden_layers=layers, **shape)).eval()

model, small = llama(6), llama(1)
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
raw = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw)
texts = ["def f(x):\\n    return x\\n", "import os, sys, json"]
"""

SHORT = "--prompt-tokens 8 --new-tokens 4 --pairs 4 --window-s 0.1"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    live = LiveKernel(tmp_path_factory.mktemp("compare"))
    outcome = live.run(MODELS, timeout=120)
    assert outcome.error is None, outcome.traceback
    yield live
    live.close()


def test_the_result_stands_below_the_cell_is_told_to_pages_and_is_kept(kernel):
    kernel.events.clear()
    outcome = kernel.run(f"%compare model small {SHORT} --texts texts --tokenizer tokenizer -o found", timeout=120)

    assert outcome.error is None, outcome.traceback
    (display,) = outcome.displays
    text, page = display["data"]["text/plain"], display["data"]["text/html"]
    assert "compared 2 models on prompts of 8 tokens and 4 new ones" in text
    assert "<svg role='img'" in page and page.count("<table") >= 5
    assert "<script" not in page and "http" not in page
    assert "compare: " in outcome.stdout
    assert kernel.run("found.contenders[1].name, len(found.verdicts), str(found.status)").result == "('small', 3, 'ok')"

    kernel.listen_until_quiet()
    (event,) = kernel.of_kind("comparison")
    fits_schema(event)
    rows = event["comparison"]["rows"]
    assert [row["contender"] for row in rows] == ["model", "small"]
    assert all(row["interval_j"][0] <= row["energy_j"] <= row["interval_j"][1] for row in rows)
    assert event["comparison"] in [one.get("comparison") for one in kernel.snapshot()["messages"]]
    with Ledger(kernel.ledger, read_only=True) as ledger:
        (kept,) = ledger.comparisons()
        names = {record.name for record in ledger.records()}
    assert kept["record"]["run_id"] == event["comparison"]["comparison_id"]
    assert {"compare", "compare: small, batch 1: generate"} <= names


def test_an_interrupt_keeps_and_shows_what_was_measured(kernel):
    request = kernel.client.execute(f"%compare model small {SHORT.replace('0.1', '1')} -o partly")
    kernel.listen_until(lambda: any("pair 1 of 4" in text for text in kernel.said()))
    kernel.manager.interrupt_kernel()
    outcome = kernel.collect(request)

    assert outcome.error in ("ComparisonInterrupted", "KeyboardInterrupt")
    assert "interrupted: " in outcome.displays[0]["data"]["text/plain"]
    assert kernel.run("str(partly.status)").result == "'interrupted'"


def test_what_failed_in_the_user_s_own_task_is_shown_where_it_was(kernel):
    kernel.run("def task(deployed):\n    return {'right': 1}['wrong']")

    outcome = kernel.run(f"%compare model small {SHORT} --task task", timeout=120)

    shown = re.sub(r"\x1b\[[\d;]*m", "", outcome.traceback)
    assert outcome.error == "BaselineError" and "model, the baseline, failed at batch 1: KeyError: 'wrong'" in shown
    assert "{'right': 1}['wrong']" in shown


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("model", "at least one other model"),
        ("model nothing", "NameError"),
        ("model 7", "not a int"),
        ("model model", "two contenders are called 'model'"),
        ("model small@steam", "there is no runtime 'steam'"),
        ("model small --batch 1,x", "--batch 1,x: expected whole numbers"),
        ("model small --pairs 3", "3"),
        ("model small --texts texts", "need a tokenizer"),
        ("model small --lm-eval ['piqa']", "lm-eval is not installed: pip install lm-eval"),
        ("model small -o 7", "-o 7: expected the name of a variable"),
        ("model small --speed", "--speed"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(kernel, line, said):
    with Ledger(kernel.ledger, read_only=True) as ledger:
        before = len(ledger.comparisons())
        outcome = kernel.run(f"%compare {line}")
        assert "UsageError" in outcome.stderr and said in outcome.stderr
        assert len(ledger.comparisons()) == before


def test_a_runtime_is_named_behind_a_model_and_the_value_is_the_result(kernel):
    outcome = kernel.run(f"%compare model model@eager {SHORT.replace('0.1', '0.02')}", timeout=120)
    assert "model@eager  eager" in outcome.result
