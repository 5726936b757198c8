"""The quality of compared models: of classifiers, by a task of the user, by lm-eval."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch

from comparing import MACHINE, QUICK, Bytes, session_on, simulated
from compressing import VOCABULARY, bert, llama, logits
from greenllm_kernel import compare, compress
from greenllm_kernel.errors import ComparisonError


@pytest.fixture(scope="module")
def session():
    with session_on(MACHINE.meter()) as (made, _):
        yield made


def test_classifiers_are_compared_by_requests(session):
    examples = [("good and long", 0), ("bad", "LABEL_1"), ("so so", 2)]

    result = compare(bert(), bert(), task=examples, tokenizer=Bytes(), session=session, **QUICK)

    (phase,) = {cell.phase for cell in result.cells}
    assert phase == result.whole_phase == "request"
    assert {cell.unit for cell in result.cells} == {"request"}
    assert result.quality_name == "error rate"
    right = result.contenders[0].accuracy
    assert len(right.right) == 3 and right.value in (0.0, 1 / 3, 2 / 3, 1.0)
    assert len(result.verdicts) == 1


def test_a_task_may_be_a_function_of_the_deployed_model(session):
    def task(deployed):
        assert deployed.logits(torch.tensor([[1, 2]])).shape == (1, 2, VOCABULARY)
        return [True, True, False, True]

    result = compare(llama(), llama(), task=task, session=session, **QUICK)

    assert result.baseline.accuracy.value == 0.75 and result.baseline.accuracy.interval is not None
    with pytest.raises(ComparisonError, match="accuracy of 80: expected 0 to 1"):
        compare(llama(), llama(), task=lambda deployed: 80, session=session, **QUICK)


def test_lm_eval_is_asked_where_it_is_installed(session, monkeypatch):
    asked: list[object] = []

    def prepared(pretrained, tokenizer):
        """Do to them what lm-eval does."""
        pretrained.eval()
        pretrained.tie_weights()
        tokenizer.pad_token = "pad"
        return pretrained

    def simple_evaluate(model, tasks):
        asked.append((logits(model), tasks))
        return {"results": {"piqa": {"alias": "piqa", "acc,none": 0.75, "acc_stderr,none": 0.01}}}

    package, models, huggingface = (ModuleType(name) for name in ("lm_eval", "lm_eval.models", "huggingface"))
    package.simple_evaluate = simple_evaluate
    huggingface.HFLM = prepared
    package.__spec__ = ModuleSpec("lm_eval", None)
    for name, module in (("", package), (".models", models), (".models.huggingface", huggingface)):
        monkeypatch.setitem(sys.modules, f"lm_eval{name}", module)
    model, tokenizer = llama(tie_word_embeddings=True), Bytes()
    model = compress(model, "- int8_dynamic: {exclude: []}", session=session).model.train()

    result = compare(model, simulated("other"), lm_eval="piqa", tokenizer=tokenizer, session=session, **QUICK)

    assert model.training and not hasattr(tokenizer, "pad_token")
    ((said, tasks),) = asked
    assert torch.equal(said, logits(model)) and tasks == ["piqa"]
    assert result.baseline.harness == {"piqa": {"acc,none": 0.75, "acc_stderr,none": 0.01}}
    assert result.contenders[1].harness == {}
    assert result.to_dict()["contenders"][0]["lm_eval"]["piqa"]["acc,none"] == 0.75
