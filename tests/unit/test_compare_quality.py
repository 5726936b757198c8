"""The quality of compared models: of classifiers, and by a task of the user."""

from __future__ import annotations

import pytest
import torch

from comparing import MACHINE, QUICK, Bytes, session_on
from compressing import VOCABULARY, bert, llama
from greenllm_kernel import compare
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
