"""What cannot be compared: it is refused with the reason before anything runs."""

from __future__ import annotations

import math

import pytest
import torch

from comparing import MACHINE, QUICK, Bytes, session_on
from compressing import bert, llama
from greenllm_kernel import Contender, compare
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.errors import ComparisonError, DeploymentError, ModelFolderError


@pytest.fixture(scope="module")
def measured():
    with session_on(MACHINE.meter()) as both:
        yield both


@pytest.fixture
def session(measured) -> Session:
    return measured[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch": ()}, "no batch was named"),
        ({"batch": (0,)}, "batch is 0: expected a whole number from 1"),
        ({"batch": (2, 2)}, "batch names one twice"),
        ({"batch": (1.5,)}, "batch is 1.5"),
        ({"prompt_tokens": 0}, "prompt_tokens is 0"),
        ({"new_tokens": 1}, "new_tokens is 1: expected a whole number from 2"),
        ({"prompt_tokens": 100}, "nothing was run:\n.*100 \\+ 4 tokens are more than the model has places"),
        ({"pairs": 5}, "pairs is 5: expected an even number of 4 or more"),
        ({"pairs": "many"}, "pairs is 'many': expected an even number"),
        ({"window_s": 0}, "window_s is 0: expected seconds"),
        ({"warm_up_s": -1}, "warm_up_s is -1"),
        ({"cool_down_s": math.nan}, "cool_down_s is nan"),
        ({"prompts": "a text"}, "prompts is a str: expected a list"),
        ({"prompts": []}, "prompts is empty"),
        ({"texts": ["a text"]}, "texts are texts: they need a tokenizer"),
        ({"texts": [3], "tokenizer": Bytes()}, "texts holds something that is no text"),
        ({"texts": ["a"], "tokenizer": Bytes()}, "no text has two tokens"),
        ({"prompts": ["a"], "tokenizer": lambda text: {"input_ids": [10**6]}}, "token 1000000 of prompts"),
        ({"task": [("a", 1)], "tokenizer": Bytes()}, "labelled texts are a task for classifiers"),
        ({"task": [("a", 1)]}, "the task has texts: they need a tokenizer"),
        ({"lm_eval": ["piqa"]}, "lm-eval is not installed: pip install lm-eval"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(measured, settings, said):
    session, recorder = measured
    before = len(recorder.records)

    with pytest.raises(ComparisonError, match=said):
        compare(llama(), llama(), session=session, **{**QUICK, **settings})
    session.settle(2.0)
    assert len(recorder.records) == before


def test_contenders_that_cannot_be_compared_are_refused(session, tmp_path):
    def refused(error: type[Exception], said: str, *contenders: object, **settings: object) -> None:
        with pytest.raises(error, match=said):
            compare(*contenders, session=session, **{**QUICK, **settings})

    refused(ComparisonError, "at least one other", llama())
    refused(ComparisonError, "not a dict", llama(), {})
    refused(ComparisonError, "two contenders are called 'a'", Contender("a", llama()), Contender("a", llama()))
    refused(
        ComparisonError,
        "vocabularies of different sizes \\(baseline 96, contender 1 50\\)",
        llama(),
        llama(vocab_size=50),
    )
    refused(ComparisonError, "some of the contenders generate", llama(), bert())
    refused(
        ComparisonError,
        r"on different devices \(baseline cpu, contender 1 meta\).*model.to\('cpu'\)",
        llama(),
        llama().to("meta"),
    )
    refused(ComparisonError, "is a Linear", torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    refused(DeploymentError, "there is no runtime 'eagre'; did you mean 'eager'", llama(), llama(), runtime="eagre")
    refused(ModelFolderError, "there is no folder", llama(), tmp_path / "nowhere")
