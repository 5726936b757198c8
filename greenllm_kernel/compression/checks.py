"""What is against running a recipe: memory, data, order, and what each method says of the model and the host."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from greenllm_kernel.compression.composition import conflicts
from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.folder.load import applied_steps
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.recipe import Recipe
from greenllm_kernel.compression.tensors import device_of, size_bytes
from greenllm_kernel.plugins import described


def refusals_of(model: nn.Module, recipe: Recipe, host: Host, has_data: bool, can_train: bool) -> Iterator[Refusal]:
    """Yield all that is against running a recipe on this model and host.

    Args:
        model: as it is given.
        recipe: whose steps may follow one another.
        host: where it is to run.
        has_data: whether there is calibration data.
        can_train: whether there is a function that trains.
    """
    before = applied_steps(model)
    if before:
        yield from conflicts([step.step.compressor for step in before] + [step.compressor for step in recipe.steps])
    yield from _refusals_of_memory(model, copies=1 if len(recipe.steps) == 1 else 2, host=host)
    for number, step in enumerate(recipe.steps, 1):
        where = f"step {number} ({step.name})"
        if step.compressor.needs_calibration(step.config) and not has_data:
            yield Refusal(f"{where} needs calibration data", "Give texts, batches or a data set as calibration=.")
        if step.compressor.needs_training(step.config) and not (can_train or has_data):
            yield Refusal(
                f"{where} trains the model",
                "Give texts, batches or a data set as calibration=, or a function that trains as train=.",
            )
        try:
            found = step.compressor.check(model, step.config, host)
        except Exception as error:
            found = [Refusal(f"its check failed: {described(error)}", "Please tell whoever wrote it.")]
        for refusal in found:
            yield Refusal(f"{where}: {refusal.reason}", refusal.remedy)


def _refusals_of_memory(model: nn.Module, copies: int, host: Host) -> Iterator[Refusal]:
    on_gpu = device_of(model).type == "cuda"
    free = host.accelerator_free_bytes if on_gpu else host.memory_free_bytes
    wanted = copies * size_bytes(model)
    if free is not None and wanted > free:
        yield Refusal(
            f"the given model is kept as it is, and {copies} more of its size ({wanted / 1e9:.1f} GB) do not fit into "
            f"the free memory ({free / 1e9:.1f} GB)",
            "Run the steps one by one, or give the folder of the saved model and drop the one in memory."
            if copies > 1
            else "Give the folder of the saved model and drop the one in memory.",
        )
