"""Steps that train: they learn from the data that a recipe is given, keep zeros, and learn from what was given."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from compressing import VOCABULARY, bert, catalogue, ids, is_as_before, llama, logits, weights
from compressing import session_with_compressors as session_with
from greenllm_kernel import load_model
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.compression.calibration import Calibration
from greenllm_kernel.compression.layers import matrix, matrix_layers
from greenllm_kernel.compression.runner import StepError, compress
from greenllm_kernel.errors import CompressionError, RecipeError
from greenllm_plugins.compressors.teacher_logits import Said, TeacherLogits
from greenllm_plugins.compressors.training import _fast

CONTEXT = 32

BUDGET = "tokens: 3000, batch: 4, length: 32, rate: 0.01"

STUDENT = (
    "- student: {num_hidden_layers: 2, hidden_size: 16, intermediate_size: 32, num_attention_heads: 4, "
    "num_key_value_heads: 2}\n"
)


def rows(count: int = 24) -> list[torch.Tensor]:
    """Return rows in which each token follows from the one before it, mostly."""
    generator = torch.Generator().manual_seed(3)
    follows = torch.randperm(VOCABULARY, generator=generator)
    made = []
    for _ in range(count):
        row = [int(torch.randint(VOCABULARY, (1,), generator=generator))]
        while len(row) < CONTEXT:
            is_random = float(torch.rand(1, generator=generator)) < 0.1
            row.append(
                int(torch.randint(VOCABULARY, (1,), generator=generator)) if is_random else int(follows[row[-1]])
            )
        made.append(torch.tensor(row))
    return made


def loss(model: torch.nn.Module) -> float:
    batch = torch.stack(rows()[:8])
    with torch.no_grad():
        return float(model(input_ids=batch, labels=batch).loss)


@pytest.fixture(scope="module")
def session():
    made = session_with()
    yield made
    made.close(1.0)


@pytest.fixture(scope="module")
def teacher(session):
    """Return a model that has learnt the rows."""
    return compress(llama(), f"- finetune: {{{BUDGET}}}", calibration=rows(), session=session).model


def run(model, recipe, session, **options):
    return compress(model, recipe, **{"calibration": rows(), "session": session, **options})


def test_finetune_and_distil_make_good_what_pruning_took(teacher, session, tmp_path):
    before, was_training = weights(teacher), teacher.train().training
    cut = "- prune_layers: {layers: [1, 2]}\n"
    pruned = loss(run(teacher, cut, session).model)

    tuned = run(teacher, f"{cut}- finetune: {{{BUDGET}}}", session)
    result = run(teacher, f"{cut}- distill: {{{BUDGET}, hidden: 0.1}}\n- int8_dynamic", session)
    result.save(tmp_path / "model")

    assert loss(tuned.model) < pruned - 0.05
    assert loss(result.model) < pruned - 0.05
    assert is_as_before(teacher, before) and teacher.training == was_training
    again = load_model(tmp_path / "model", catalogue=catalogue())
    assert torch.equal(logits(again), logits(result.model))
    step = result.steps[-2]
    assert step.metadata["tokens"] == pytest.approx(3000, rel=0.05)
    assert step.metadata["last_loss"] < step.metadata["first_loss"]
    assert step.record.gross.value_j > 0


def test_a_new_student_of_another_width_learns_from_logits_and_hidden_states(teacher, session, tmp_path):
    distil = f"- distill: {{{BUDGET}, weight: 1, hidden: 1.0, top_k: 16}}"
    untrained = run(teacher, STUDENT, session).model

    result = run(teacher, STUDENT + distil, session)
    result.save(tmp_path / "model")

    assert result.model.config.hidden_size == 16 and result.after.parameters < result.before.parameters / 4
    assert loss(result.model) < loss(untrained) - 0.3
    again = type(teacher).from_pretrained(tmp_path / "model", local_files_only=True).eval()
    assert torch.equal(logits(again), logits(result.model))


@pytest.mark.parametrize("cache", ["memory", "disk", "disk, cache_gb: 0.0002"])
def test_kept_logits_give_the_same_model_as_those_that_are_computed_anew(cache, teacher, session):
    distil = "- distill: {{tokens: 1200, batch: 4, length: 24, top_k: {top_k}, cache: {cache}}}"
    recipe = "- prune_layers: {{layers: [1]}}\n" + distil
    for top_k in (0, 8) if cache == "memory" else (8,):
        anew = run(teacher, recipe.format(top_k=top_k, cache="none"), session)
        kept = run(teacher, recipe.format(top_k=top_k, cache=cache), session)

        assert torch.equal(logits(kept.model), logits(anew.model))
        first, second = (each.steps[-1].metadata["teacher_batches"] for each in (anew, kept))
        assert second < first


def test_a_full_disk_costs_time_and_nothing_else():
    asked = []

    def teach(batch):
        asked.append(batch)
        return torch.nn.functional.one_hot(batch["input_ids"], VOCABULARY).float()

    class Full:
        def seek(self, *where):
            return 0

        def write(self, data):
            raise OSError("no space left on device")

        def close(self):
            pass

    batch = {"input_ids": ids(2, 5)}
    with TeacherLogits(teach, 2.0, 0, "disk", 1.0) as said:
        said._file = Full()
        first, second = said.of([0, 1], batch), said.of([0, 1], batch)

    assert torch.equal(first.logits, second.logits) and len(asked) == 2


def test_the_divergence_is_that_of_the_distributions_and_with_few_logits_a_lower_bound():
    teacher, student = (torch.randn(3, 5, 20, generator=torch.Generator().manual_seed(seed)) * 3 for seed in (1, 2))
    softened = [torch.distributions.Categorical(logits=each / 2.0) for each in (teacher, student)]
    exact = torch.distributions.kl_divergence(*softened)

    whole, few, most = (Said.of(teacher, 2.0, top_k).divergence(student) for top_k in (0, 4, 18))

    assert torch.allclose(whole, exact, atol=1e-5)
    assert (few <= exact + 1e-5).all() and (few > 0).all()
    assert torch.allclose(most, exact, atol=0.05)


def test_zeros_stay_zeros_while_training(teacher, session):
    pruned = run(teacher, "- prune_weights: {sparsity: 0.7}", session)

    tuned = run(teacher, f"- prune_weights: {{sparsity: 0.7}}\n- distill: {{{BUDGET}}}", session)

    assert loss(tuned.model) < loss(pruned.model)
    for (name, before), after in zip(
        matrix_layers(pruned.model).items(), matrix_layers(tuned.model).values(), strict=True
    ):
        if name != "lm_head":
            assert torch.equal(matrix(before) == 0, matrix(after) == 0)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("prune_layers: {remove: 0.5", ("num_hidden_layers", 2)),
        ("prune_layers: {layers: [2, 0]", ("num_hidden_layers", 2)),
        ("prune_mlp: {remove: 0.5, importance: taylor", ("intermediate_size", 32)),
        ("prune_heads: {remove: 0.5", ("num_key_value_heads", 2)),
        ("prune_weights: {sparsity: 0.6", ("num_hidden_layers", 4)),
    ],
)
def test_pruning_in_rounds_trains_by_itself_and_ends_where_one_shot_does(step, expected, teacher, session):
    told = []
    one_shot = run(teacher, f"- {step}}}", session)

    rounds = run(
        teacher,
        f"- {step}, schedule: iterative, rounds: 2, tokens: 1500, batch: 4, length: 32, rate: 0.003}}",
        session,
        tell=told.append,
    )

    assert getattr(rounds.model.config, expected[0]) == expected[1] == getattr(one_shot.model.config, expected[0])
    assert rounds.after.parameters == one_shot.after.parameters
    assert loss(rounds.model) < loss(one_shot.model)
    parts = [each.part for each in told]
    assert parts == sorted(parts) and len(parts) > 6
    assert str(rounds.steps[-1].step).startswith(f"{step.split(':')[0]} ({step.split('{')[1].split(':')[0]} ")
    if "layers: [" in step:
        assert rounds.steps[-1].metadata == {"removed": [0, 2]}


def test_rounds_train_with_the_users_own_function_where_there_is_one(teacher, session):
    seen = []

    def train(model):
        assert model.training
        seen.append(model.config.num_hidden_layers)

    run(
        teacher,
        "- prune_layers: {remove: 0.75, schedule: iterative, importance: l1}",
        session,
        train=train,
        calibration=None,
    )

    assert seen == [3, 2, 1]


def test_a_model_in_16_bits_is_trained_in_32_and_stays_in_16(session):
    result = run(llama().to(torch.bfloat16), f"- finetune: {{{BUDGET}}}", session)

    assert {parameter.dtype for parameter in result.model.parameters()} == {torch.bfloat16}
    assert loss(result.model) < loss(llama()) - 0.3


def test_a_classifier_is_distilled_from_texts_with_labels(session):
    class Words:
        eos_token_id, pad_token_id = 1, 0

        def __call__(self, text):
            return {"input_ids": [2 + len(word) for word in text.split()]}

    texts = [{"text": "a " * (3 + number % 5) + "b" * (1 + number % 3), "label": number % 3} for number in range(24)]
    distil = "- distill: {tokens: 800, batch: 4, rate: 0.003, length: 16, cache: memory}"
    recipe = f"- prune_layers: {{layers: [3]}}\n{distil}"

    result = compress(bert(), recipe, calibration=texts, tokenizer=Words(), session=session)

    metadata = result.steps[-1].metadata
    assert metadata["last_loss"] < metadata["first_loss"]
    assert metadata["teacher_batches"] < 20


def test_the_recipe_can_be_run_from_a_folder_whose_model_is_the_teacher(teacher, session, tmp_path):
    recipe = "- prune_layers: {layers: [1]}\n- distill: {tokens: 1000, batch: 4, length: 32}"
    run(teacher, "- prune_mlp: {remove: 0.25}", session).save(tmp_path / "model")
    given = load_model(tmp_path / "model", catalogue=catalogue())

    from_folder = run(tmp_path / "model", recipe, session)

    assert torch.equal(logits(from_folder.model), logits(run(given, recipe, session).model))


def test_training_that_diverges_stops_and_the_last_good_model_is_kept(teacher, session):
    with pytest.raises(StepError, match=r"step 2 \(finetune\) failed: .*diverged; lower rate") as raised:
        run(teacher, "- prune_layers: {layers: [1]}\n- finetune: {tokens: 3000, length: 32, rate: 1.0e+30}", session)

    assert raised.value.result.after.parameters < raised.value.result.before.parameters
    assert torch.isfinite(logits(raised.value.result.model)).all()


def test_an_interrupt_while_training_leaves_the_teacher_and_its_mode_alone(teacher, session):
    before = weights(teacher)
    teacher.train()

    def stop(progress):
        if progress.name == "distill" and progress.part > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(teacher, f"- prune_layers: {{layers: [1]}}\n- distill: {{{BUDGET}}}", session, tell=stop)

    assert is_as_before(teacher, before) and all(module.training for module in teacher.modules())
    session.settle(5.0)
    assert Status.INTERRUPTED in [record.status for record in session.records[-3:]]


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("- finetune: {length: 0}", "length: 0 is below 1"),
        ("- distill: {temperature: 0}", "temperature: 0.0 is not above 0"),
        ("- distill: {weight: 0}", "without a teacher it is finetune"),
        ("- distill: {hidden: 1.0, cache: disk}", "leave hidden or cache out"),
        ("- distill: {tokens: 0}", "tokens: 0 is below 1"),
        ("- distill: {temprature: 1.0}", "did you mean 'temperature'?"),
        ("- int8_dynamic\n- distill", "Put distill before int8_dynamic."),
        ("- shared_weights\n- finetune", "Put finetune before shared_weights."),
        ("- student", "a student as large as the model saves nothing"),
        ("- student: {num_attention_heads: 5, head_dim: 7, hidden_size: 33}", "cannot have these sizes"),
    ],
)
def test_what_cannot_be_trained_so_is_refused(recipe, said, session):
    with pytest.raises(RecipeError) as raised:
        run(llama(), recipe, session)

    assert said in str(raised.value)


def test_without_data_nothing_is_trained(session):
    with pytest.raises(RecipeError, match="needs calibration data"):
        run(llama(), "- distill", session, calibration=None)
    with pytest.raises(RecipeError, match="prune_layers.* trains the model. Give texts"):
        run(llama(), "- prune_layers: {layers: [1], schedule: iterative}", session, calibration=None)


def test_a_model_in_which_nothing_wants_a_gradient_is_not_trained(session):
    frozen = llama()
    frozen.requires_grad_(False)
    with pytest.raises(StepError, match="nothing to train"):
        run(frozen, "- finetune", session)


# ---- Examples


@pytest.mark.parametrize("warm_up", [0.0, 0.5])
def test_each_step_of_training_has_an_effect_and_the_highest_rate_is_reached(warm_up, session, monkeypatch):
    rates: list[float] = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: rates.append(self.param_groups[0]["lr"]) or step(self))

    run(llama(), f"- finetune: {{tokens: 64, batch: 1, length: 16, rate: 0.001, warm_up: {warm_up}}}", session)

    assert len(rates) == 4 and max(rates) == 0.001
    assert rates == sorted(rates, reverse=True) if warm_up == 0 else rates[0] == 0.0005
    assert rates[-1] > 0


def test_products_in_16_bits_are_left_to_gpus_that_have_them(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)

    assert isinstance(_fast(torch.device("cuda")), nullcontext)


def test_the_teacher_is_asked_once_a_step_for_logits_and_hidden_states(teacher, session):
    asked: list[bool] = []

    def watch(module, inputs, named, output):
        if module is teacher:
            asked.append(output.hidden_states is not None)

    hook = teacher.register_forward_hook(watch, with_kwargs=True)
    try:
        run(
            teacher,
            "- prune_layers: {layers: [1]}\n- distill: {tokens: 64, batch: 1, length: 16, hidden: 1.0}",
            session,
        )
    finally:
        hook.remove()

    assert asked == [True] * 4


def test_token_ids_are_joined_and_rows_with_more_are_padded():
    joined = Calibration([[1, 2, 3], [4, 5], [6, 7, 8, 9]]).examples(4, 100, seed=0)
    assert len(joined) == 2 and joined.tokens == 8

    rows = [{"input_ids": [1, 2, 3], "labels": 1}, {"input_ids": [4, 5], "labels": 0}]
    padded = Calibration(rows).examples(8, 100, seed=0)
    batch = padded.batch([0, 1], torch.device("cpu"))
    assert sorted(batch["input_ids"].tolist()) == [[1, 2, 3], [4, 5, 0]]
    assert sorted(batch["attention_mask"].tolist()) == [[1, 1, 0], [1, 1, 1]]

    tokens = [{"input_ids": [1, 2, 3], "labels": [7, 8, 9]}, {"input_ids": [4, 5], "labels": [5, 6]}]
    batch = Calibration(tokens).examples(2, 100, seed=0).batch([0, 1], torch.device("cpu"))
    assert sorted(batch["labels"].tolist()) == [[5, 6], [7, 8]]


def test_no_more_is_taken_than_training_needs_and_from_all_over_the_data():
    seen = []

    class Rows:
        def __len__(self):
            return 1000

        def __getitem__(self, number):
            if not 0 <= number < 1000:
                raise IndexError(number)
            seen.append(number)
            return [number % VOCABULARY] * 10

    examples = Calibration(Rows()).examples(10, 200, seed=1)

    assert len(examples) == 20 and len(seen) < 30 and max(seen) > 500


def test_data_without_tokens_is_said():
    with pytest.raises(CompressionError, match="no tokens"):
        Calibration([[1]]).examples(4, 0, seed=0) and Calibration(
            [{"input_ids": torch.empty(0, 3), "labels": torch.empty(0)}]
        ).examples(4, 10, seed=0)
