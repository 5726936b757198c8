"""``compare()``: interleaved trials of models, until it can be said which of them saves energy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.comparison.asked import Asked, listed
from greenllm_kernel.compression.comparison.comparing import Comparing
from greenllm_kernel.compression.comparison.comparison import Comparison
from greenllm_kernel.compression.comparison.plan import MOST_PAIRS
from greenllm_kernel.compression.comparison.progress import Tell

WARM_UP_S = 1.0
"""How long each contender works before its first trial, s."""


def compare(
    baseline: Any,
    *others: Any,
    prompts: Iterable[str] | None = None,
    batch: int | Sequence[int] = (1,),
    prompt_tokens: int = 64,
    new_tokens: int = 32,
    texts: Iterable[str] | None = None,
    tokenizer: Any = None,
    task: Callable[[Any], Any] | Iterable[tuple[str, Any]] | None = None,
    lm_eval: Iterable[str | Mapping[str, Any]] | None = None,
    runtime: Any = "eager",
    pairs: int = MOST_PAIRS,
    window_s: float | None = None,
    warm_up_s: float = WARM_UP_S,
    cool_down_s: float = 0.0,
    session: Session | None = None,
    tell: Tell | None = None,
    seed: int = 0,
) -> Comparison:
    """Measure models beside one another, and say which of them saves energy beside the first, and at what quality.

    Each contender is a model of transformers, the folder of one, a result of :func:`compress`, or a
    :class:`Contender` with a name and a runtime of its own. They are deployed side by side, and their trials are
    interleaved at random in mirrored orders, so that drift cancels. A contender that fails at a batch says why, and the
    others go on; at the other batches so does it. Models that generate are compared by tokens, with prefill and decode
    apart; classifiers of texts by requests.

    Args:
        baseline: what the others are compared with.
        others: at least one.
        prompts: texts to go on with, each cut off or repeated to ``prompt_tokens``; None: random tokens.
        batch: sequences side by side, one number or several.
        prompt_tokens: of each sequence.
        new_tokens: generated of each sequence, 2 or more; the end of a text is a token like any other.
        texts: on which bits per byte and perplexity are told.
        tokenizer: of transformers, for ``prompts``, ``texts``, ``task`` and ``lm_eval``.
        task: for classifiers pairs of text and label; or a function that is given the model as it is deployed and
            returns its accuracy, 0 to 1, or a list that says for each example whether it was right, in the same order
            for each model: then the change of accuracy has an interval, which is of pairs.
        lm_eval: tasks of lm-eval, by name or as configs of one's own; it is not installed with GreenLLM, and may fetch
            the data of its own tasks.
        runtime: of contenders that name none.
        pairs: of trials at most, an even number of 4 or more; fewer are made where fewer decide.
        window_s: how long a trial's windows last at least, s; None: as long as the sensors need.
        warm_up_s: how long each contender works before its first trial, s.
        cool_down_s: the pause before each trial, s.
        session: in which it is measured, instead of this process's.
        tell: told how far it is.
        seed: of the random tokens and of the order of trials.

    Raises:
        BaselineError: a ComparisonError that has what was known of the batches before the one the baseline failed at.
        ComparisonError: something cannot be used, and nothing was run.
        ComparisonInterrupted: a KeyboardInterrupt that has what was known by then.
        DeploymentError: there is no such runtime.
        ModelFolderError: a folder cannot be loaded.
    """
    batches = (batch,) if isinstance(batch, int) else tuple(batch)
    asked = Asked(
        batches=batches,
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        prompts=listed(prompts, "prompts"),
        texts=listed(texts, "texts"),
        tokenizer=tokenizer,
        task=task if task is None or callable(task) else listed(task, "task"),
        harness=[lm_eval] if isinstance(lm_eval, str | Mapping) else listed(lm_eval, "lm_eval"),
        pairs=pairs,
        window_s=window_s,
        warm_up_s=warm_up_s,
        cool_down_s=cool_down_s,
        seed=seed,
    )
    return Comparing([baseline, *others], runtime, asked, session or Session.current(), tell).run()
