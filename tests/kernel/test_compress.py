"""``%%compress`` in a real kernel: the cell's body is a recipe, and the model it names stays as it is."""

from __future__ import annotations

import re
import threading

import pytest

from greenllm_kernel.accounting.ledger import Ledger
from live import LiveKernel

MODEL = """
import torch
from transformers import LlamaConfig, LlamaForCausalLM
torch.set_num_threads(1)
shape = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, vocab_size=96)
model = LlamaForCausalLM(LlamaConfig(**shape)).eval()
before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
texts = [torch.randint(96, (2, 8)) for _ in range(3)]
def is_as_before():
    return all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compress")
    live = LiveKernel(folder)
    outcome = live.run(MODEL, timeout=120)
    assert outcome.error is None, outcome.traceback
    live.run(f"import os; os.chdir({str(folder)!r})")
    yield live
    live.close()


def test_the_body_is_the_recipe_and_the_result_goes_into_a_variable(kernel):
    outcome = kernel.run(
        "%%compress model --calibration texts[:2] --out small\n"
        "- prune_mlp: {remove: 0.5, importance: wanda}\n- int8_dynamic"
    )

    assert outcome.error is None, outcome.traceback
    (display,) = outcome.displays
    assert "prune_mlp (remove 0.5, importance wanda)  " in display["data"]["text/plain"]
    assert " J, " in display["data"]["text/plain"] and "<th scope" in display["data"]["text/html"]
    assert kernel.run("small.model.config.intermediate_size, is_as_before()").result == "(32, True)"
    assert outcome.result is None


def test_without_a_variable_the_result_is_the_cell_s_value(kernel):
    outcome = kernel.run("%%compress model\n- low_rank")

    assert "low_rank  " in outcome.result
    assert kernel.run("_.model.config.model_type").result == "'llama'"


def test_it_works_below_energy_and_the_steps_are_in_the_ledger(kernel):
    outcome = kernel.run("%%energy shrink --stage compress\n%%compress model --out small\n- int8_dynamic")

    assert outcome.error is None, outcome.traceback
    assert any("shrink: " in display["data"]["text/plain"] for display in outcome.displays)
    kernel.listen(2.0)
    records = {record.name: record for record in Ledger(kernel.ledger).records()}
    assert records["compress: int8_dynamic"].parent_run_id == records["compress"].run_id
    assert records["compress"].parent_run_id == records["shrink"].run_id
    assert records["compress"].stage == records["shrink"].stage == "compress"


def test_what_was_saved_can_be_compressed_by_its_folder(kernel):
    kernel.run("%%compress model --out small -q\n- low_rank")
    kernel.run("small.save('small')")

    outcome = kernel.run('%%compress "small" --out smaller\n- int8_dynamic')

    assert outcome.error is None, outcome.traceback
    assert kernel.run("[step.step.name for step in smaller.steps]").result == "['low_rank', 'int8_dynamic']"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%%compress\n- int8_dynamic", "the following arguments are required: MODEL"),
        ("%%compress model --colour red\n- int8_dynamic", "unrecognized arguments: --colour red"),
        ("%%compress nothing\n- int8_dynamic", "MODEL nothing: NameError: name 'nothing' is not defined"),
        ("%%compress model --calibration nothing\n- int8_dynamic", "--calibration nothing: NameError"),
        ("%%compress model --out 3x\n- int8_dynamic", "--out 3x: expected the name of a variable"),
        ("%%compress model\n# nothing", "the recipe is empty; a recipe is a list of steps, such as:"),
        (
            "%%compress model\n- int8_dynamc",
            "line 1: there is no compressor 'int8_dynamc'; did you mean 'int8_dynamic'?",
        ),
        ("%%compress model\n- int8_dynamic:\n    exlude: [a]", "line 2: int8_dynamic: there is no setting 'exlude'"),
        ("%%compress model\n- prune_weights: {importance: wanda}", "needs calibration data"),
    ],
)
def test_what_cannot_be_is_said_without_a_traceback_of_ours(cell, said, kernel):
    outcome = kernel.run(cell)

    assert said in outcome.stderr + outcome.traceback
    assert not re.search(r"(runner|recipe|catalogue|composition)\.py", outcome.traceback)
    assert "During handling" not in outcome.traceback and "direct cause" not in outcome.traceback
    assert kernel.run("is_as_before()").result == "True"


def test_an_interrupt_leaves_the_model_as_it_was(kernel):
    kernel.run("def train(model):\n    import time\n    time.sleep(60)")
    request = kernel.client.execute(
        "%%compress model --train train --out never\n- prune_weights: {schedule: iterative}"
    )
    threading.Timer(2.0, kernel.manager.interrupt_kernel).start()

    outcome = kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)

    assert outcome.error == "KeyboardInterrupt"
    assert "greenllm_kernel" not in outcome.traceback
    assert kernel.run("is_as_before(), 'never' in globals()").result == "(True, False)"


def test_an_interrupt_in_a_later_step_puts_the_last_good_model_into_the_variable(kernel):
    kernel.run("def trains(model):\n    import time\n    print('it trains')\n    time.sleep(60)")
    request = kernel.client.execute(
        "%%compress model --train trains --out kept\n- low_rank\n- prune_weights: {schedule: iterative}"
    )
    kernel.listen_until(lambda: any("it trains" in text for text in kernel.said()))
    kernel.manager.interrupt_kernel()

    outcome = kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)

    assert outcome.error == "CompressionInterrupted" and "kept has the last good model" in outcome.traceback
    assert "direct cause" not in outcome.traceback
    assert kernel.run("[step.step.name for step in kept.steps], is_as_before()").result == "(['low_rank'], True)"


def test_progress_is_shown_with_watts_and_taken_away(kernel):
    kernel.run("import time\ndef train(model):\n    time.sleep(1.2)")

    outcome = kernel.run(
        "%%compress model --train train --out small\n- prune_weights: {schedule: iterative, rounds: 3}"
    )

    assert "\rcompress: step 1 of 1, prune_weights █████████████░░░░░░░ 67 %, " in outcome.stdout
    assert " W" in outcome.stdout
    assert outcome.stdout.rpartition("\r")[2].strip() == ""


def test_a_step_that_fails_says_so_and_keeps_the_last_good_model(kernel):
    kernel.run("def fails(model):\n    raise ValueError('no data')")

    outcome = kernel.run(
        "%%compress model --train fails --out kept\n- low_rank\n- prune_weights: {schedule: iterative}"
    )

    assert outcome.error == "StepError"
    assert "ValueError: no data" in outcome.traceback and "kept has the last good model" in outcome.traceback
    assert kernel.run("[step.step.name for step in kept.steps]").result == "['low_rank']"


def test_help_tells_what_can_stand_there(kernel):
    assert "--calibration" in kernel.run("print(get_ipython().find_cell_magic('compress').__doc__)").stdout
