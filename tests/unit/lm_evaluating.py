"""Compares models on tasks of its own by lm-eval, where that can be imported, and prints what was said, as JSON."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from comparing import QUICK
from compressing import VOCABULARY, llama, session_with_compressors
from greenllm_kernel import Contender, compare
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.errors import ComparisonError

CHOICES = ("even", "odd")
NEW_TOKENS = 4


def main(folder: Path) -> None:
    questions = [f"{one} plus {two} is" for one in range(5) for two in range(4)]
    tokenizer = tokenizer_of([f"{question} {choice}" for question in questions for choice in CHOICES])
    session = session_with_compressors()
    model = llama(max_position_embeddings=128, tie_word_embeddings=True)
    model.generation_config.repetition_penalty = 1.8  # which not every runtime knows
    packed = compress(model, "- int8_dynamic: {exclude: []}", session=session).model.train()
    answers = [generated(model, tokenizer, question) for question in questions]
    rows = [
        {"question": question, "choices": CHOICES, "answer": number % 2, "generated": answer}
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True))
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    said: dict[str, Any] = {"right": right(model, tokenizer, rows), "refused": []}
    for refused in ({"lm_eval": "piqa"}, {"lm_eval": "helaswag", "tokenizer": tokenizer}):
        try:
            compare(model, packed, session=session, **refused, **QUICK)
        except ComparisonError as error:
            said["refused"].append(str(error))
    random.seed(3)
    numpy.random.seed(3)
    torch.manual_seed(3)
    found = compare(
        model,
        Contender("packed", packed),
        Contender("scripted", model, "torchscript"),
        lm_eval=tasks(folder / "rows.jsonl"),
        tokenizer=tokenizer,
        session=session,
        **QUICK,
    )
    said["next"] = [random.random(), float(numpy.random.random()), float(torch.rand(1))]
    said["training"], said["pad"] = packed.training, tokenizer.pad_token
    said["found"] = {contender["name"]: contender["lm_eval"] for contender in found.to_dict()["contenders"]}
    said["text"], said["penalty"] = str(found), model.generation_config.repetition_penalty
    written = tasks(folder / "rows.jsonl")[1]
    written["generation_kwargs"] |= {"do_sample": True, "temperature": 0.7}
    try:
        compare(model, packed, lm_eval=[written], tokenizer=tokenizer, session=session, **QUICK)
    except ComparisonError as error:
        said["sampled"] = str(error)
    print(json.dumps(said))


def tokenizer_of(texts: list[str]) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["<|end|>"], show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")


def tasks(rows: Path) -> list[dict[str, Any]]:
    data = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "doc_to_text": "{{question}}",
    }
    chosen = {"doc_to_choice": "{{choices}}", "doc_to_target": "answer", "metric_list": [{"metric": "acc"}]}
    written = {
        "doc_to_target": "generated",
        "generation_kwargs": {"until": ["nothing"], "max_gen_toks": NEW_TOKENS, "do_sample": False},
        "metric_list": [{"metric": "exact_match"}, {"metric": "bleu"}],  # the latter is of all examples together
    }
    return [
        {"task": "chosen", "output_type": "multiple_choice", **data, **chosen},
        {"task": "written", "output_type": "generate_until", **data, **written},
    ]


@torch.inference_mode()
def right(model: torch.nn.Module, tokenizer: Any, rows: list[dict[str, Any]]) -> float:
    """Return how often the model finds the answer of a question likelier than the other one."""
    found = []
    for row in rows:
        likely = []
        for choice in CHOICES:
            before, ids = (tokenizer(text)["input_ids"] for text in (row["question"], f"{row['question']} {choice}"))
            chances = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            likely.append(sum(float(chances[place - 1, ids[place]]) for place in range(len(before), len(ids))))
        found.append(likely[row["answer"]] > likely[1 - row["answer"]])
    return sum(found) / len(found)


def generated(model: Any, tokenizer: Any, question: str) -> str:
    ids = torch.tensor([tokenizer(question)["input_ids"]])
    with torch.inference_mode():
        for _ in range(NEW_TOKENS):
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
            if int(ids[0, -1]) in {model.config.eos_token_id, tokenizer.eos_token_id}:
                break
    return str(tokenizer.decode(ids[0, len(tokenizer(question)["input_ids"]) :], skip_special_tokens=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
