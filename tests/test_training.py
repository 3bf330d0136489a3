"""The training loop: resumable bit for bit, equal to a plain loop, and stopped by what is not finite."""

import math
import shutil
import signal

import numpy as np
import pytest
import scipy.stats
import torch
from safetensors.torch import load_file
from torch.nn import functional

from tradeoff import objectives, snapshots, strategies, training
from tradeoff.attacks.engine import attack
from tradeoff.attacks.threat import threat
from tradeoff.backbones import build
from tradeoff.data.splits import Split
from tradeoff.errors import UserError
from tradeoff.robust_validation import RobustValidation, robust_validation
from tradeoff.schedules import learning_rate

SPEC = {
    "model": "vit_tiny_patch16_224",
    "arguments": {"img_size": 16, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2},
    "image_size": 16,
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
}
RECIPE = {
    "epochs": 3,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "weight_decay": 0.1,
    "schedule": "cosine",
    "warmup": 0.1,
    "clip_norm": 1.0,
    "augmentation": None,
    "label_smoothing": 0.0,
    "precision": "fp32",
}


def images(n, seed):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, n)
    pixels = random.integers(0, 256, (n, 3, 16, 16)) // 4 + 40 * labels[:, None, None, None]
    return Split(pixels.astype(np.uint8), labels.astype(np.int64), np.arange(n, dtype=np.int64))


TRAIN, VALIDATION = images(72, 0), images(24, 1)


def job(parts, strategy="full", recipe=None, arguments=None, schedule=None, objective=("standard", {})):
    spec = SPEC | {"arguments": SPEC["arguments"] | (arguments or {})}
    model = build(spec, 4, 0, None)
    applied = strategies.apply(model, strategy, {}, 0)
    return training.Job(
        model=model,
        applied=applied,
        objective=objectives.load(*objective),
        train=TRAIN,
        validation=VALIDATION,
        recipe=RECIPE | (recipe or {}),
        probe_schedule=schedule or [{"every": 4}],
        seed=3,
        parts=parts,
        label="test",
    )


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs."""


def killed_and_continued(monkeypatch, made, kill_at):
    """Train what `made` makes, killed before update `kill_at` and begun again; return the job and its log."""
    update, calls = training._update, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) > kill_at:
            raise Killed
        return update(*args)

    monkeypatch.setattr(training, "_update", interrupted)
    with pytest.raises(Killed):
        training.train(made())
    monkeypatch.setattr(training, "_update", update)
    again = made()
    return again, training.train(again)


@pytest.mark.parametrize("strategy", ["full", "linear", "lora"])
@pytest.mark.parametrize("kill_at", [1, 6, 13])
def test_killed_at_any_step_and_continued_it_ends_with_the_same_bits(
    tmp_path, monkeypatch, strategy, kill_at
):
    arguments = {"drop_rate": 0.1}  # dropout's masks have to continue too
    whole = job(tmp_path / "whole", strategy, arguments=arguments)
    expected = training.train(whole)
    again, found = killed_and_continued(
        monkeypatch, lambda: job(tmp_path / "killed", strategy, arguments=arguments), kill_at
    )
    assert found.rows == expected.rows
    for name, tensor in snapshots.trainable_state(whole.model).items():
        assert torch.equal(tensor, snapshots.trainable_state(again.model)[name]), name
    files = sorted(path.name for path in (tmp_path / "whole").glob("part-*"))
    assert files == [f"part-{step:08d}.safetensors" for step in (0, 4, 8, 12, 15)]
    for name in files:
        one, other = load_file(tmp_path / "whole" / name), load_file(tmp_path / "killed" / name)
        assert all(torch.equal(one[key], other[key]) for key in one)


AUGMENTATION = {"flip": 0.5, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "rotation": 10}


def test_augmented_images_change_at_every_step_and_go_on_after_a_kill(tmp_path, monkeypatch):
    def made(name, strategy="full"):
        return job(tmp_path / name, strategy, recipe={"augmentation": AUGMENTATION})

    expected = training.train(made("whole")).rows
    _, found = killed_and_continued(monkeypatch, lambda: made("killed"), 6)
    assert found.rows == expected
    assert expected[0]["loss"] != training.train(job(tmp_path / "plain")).rows[0]["loss"]
    batches = training._Batches(made("head", "linear"))  # a frozen backbone's features would not change
    assert batches.features is None
    (one, labels, ids, _), (other, *_) = (batches.get(step, 0, 0) for step in (0, 1))
    assert not torch.equal(one, other) and len(labels) == len(ids) == len(one)


ROBUST = {"epsilon": 8 / 255, "steps": 2}


@pytest.mark.parametrize(
    ("objective", "shares"),
    [
        (("rft_sched", ROBUST | {"t1": 0.2, "t2": 1.0}), [0, 0, 0.25, 0.5, 0.75]),
        (("rft_auto", ROBUST | {"patience": 1, "tolerance": 1.0}), [0, 0, 0, 1 / 3, 2 / 3]),
        (("rft_uniform", ROBUST), None),
        (("trades", ROBUST), [1] * 5),
    ],
)
@pytest.mark.parametrize("kill_at", [13, 18])
def test_killed_in_mid_ramp_it_goes_on_at_the_same_perturbation_with_the_same_bits(
    tmp_path, monkeypatch, capsys, objective, shares, kill_at
):
    def made(name):
        made = job(tmp_path / name, recipe={"epochs": 5}, objective=objective)
        made.robust_validation = RobustValidation(VALIDATION, threat({"attack": "apgd", "steps": 2}, 0.02), 2)
        return made

    whole = made("whole")
    expected = training.train(whole).rows
    again, found = killed_and_continued(monkeypatch, lambda: made("killed"), kill_at)
    assert "continuing after step" in capsys.readouterr().out  # rather than starting anew, with the same bits
    assert found.rows == expected
    for name, tensor in snapshots.trainable_state(whole.model).items():
        assert torch.equal(tensor, snapshots.trainable_state(again.model)[name]), name
    sizes = [row["epsilon"] for row in expected]
    assert all(len(set(sizes[5 * epoch : 5 * epoch + 5])) == 1 for epoch in range(5))
    if shares is None:
        assert len(set(sizes)) == 5
    else:
        assert sizes[::5] == pytest.approx([share * 8 / 255 for share in shares])


def test_a_resumed_run_redoes_no_more_than_one_snapshot_interval(tmp_path, monkeypatch):
    update, steps = training._update, []

    def counted(*args):
        steps.append(args[3])
        if len(steps) == 11:
            raise Killed
        return update(*args)

    monkeypatch.setattr(training, "_update", counted)
    with pytest.raises(Killed):
        training.train(job(tmp_path))
    del steps[:]
    training.train(job(tmp_path))
    assert steps == list(range(8, 15))


def test_asked_to_stop_it_saves_its_state_at_once_and_later_goes_on_at_the_next_step(tmp_path, monkeypatch):
    whole = job(tmp_path / "whole")
    expected = training.train(whole)
    update, steps = training._update, []

    def asked(*args):
        steps.append(args[3])
        if len(steps) == 7:  # between two scheduled snapshots
            signal.raise_signal(signal.SIGTERM)
        return update(*args)

    monkeypatch.setattr(training, "_update", asked)
    with pytest.raises(SystemExit, match="state saved after step 7"):
        training.train(job(tmp_path / "stopped"))
    again = job(tmp_path / "stopped")
    assert training.train(again).rows == expected.rows
    assert steps == list(range(15))  # none twice
    for name, tensor in snapshots.trainable_state(whole.model).items():
        assert torch.equal(tensor, snapshots.trainable_state(again.model)[name]), name


def test_a_torn_state_file_costs_its_work_and_nothing_else(tmp_path):
    expected = training.train(job(tmp_path / "a"))
    training.train(job(tmp_path / "b"))
    state = tmp_path / "b" / "state.pt"
    state.write_bytes(state.read_bytes()[:100])
    assert training.train(job(tmp_path / "b")).rows == expected.rows


@pytest.mark.parametrize("name", ["state.pt", "part-00000004.safetensors", "part-00000008.safetensors"])
def test_a_training_does_not_continue_from_a_state_or_a_snapshot_with_a_flipped_bit(
    tmp_path, monkeypatch, name
):
    whole = job(tmp_path / "whole")
    expected = training.train(whole)

    def made():
        file = tmp_path / "b" / name
        if file.exists():
            content = bytearray(file.read_bytes())
            content[-60] ^= 1
            file.write_bytes(content)
        return job(tmp_path / "b")

    _, found = killed_and_continued(monkeypatch, made, kill_at=9)
    assert found.rows == expected.rows
    for part in (tmp_path / "whole").glob("part-*"):
        assert part.read_bytes() == (tmp_path / "b" / part.name).read_bytes()
    training.check_snapshots(tmp_path / "b", found.sums)


def test_it_equals_a_plain_loop_over_the_same_batches(tmp_path):
    """AdamW, clipping, warm-up and cosine decay, written out with torch's own pieces."""
    ours = job(tmp_path)
    state = training.train(ours)
    plain = job(tmp_path / "other")
    model, batches = plain.model, training._Batches(plain)
    decayed = [
        p for name, p in model.net.named_parameters() if p.ndim > 1 and name not in ("pos_embed", "cls_token")
    ]
    others = [p for p in model.net.parameters() if all(p is not q for q in decayed)]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        betas=(0.9, 0.999),
    )
    model.train()
    for step in range(15):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, 15, 1e-3, "cosine", 0.1)
        pixels, labels, *_ = batches.get(step, step // 5, step % 5)
        loss = functional.cross_entropy(model(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        assert state.rows[step]["loss"] == pytest.approx(float(loss), rel=1e-4)
    for name, tensor in ours.model.net.named_parameters():
        torch.testing.assert_close(tensor, dict(model.net.named_parameters())[name], rtol=1e-3, atol=1e-5)


def test_every_image_is_seen_once_in_an_epoch_in_another_order_each_time(tmp_path):
    batches = training._Batches(job(tmp_path))
    epochs = [
        torch.cat([batches.get(5 * epoch + index, epoch, index)[2] for index in range(5)]).tolist()
        for epoch in (0, 1)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(72))
    assert epochs[0] != epochs[1]


def test_a_probes_features_are_computed_once_and_change_nothing_but_rounding(tmp_path, monkeypatch):
    cached = job(tmp_path / "cached", "linear")
    assert cached.applied.frozen_features
    uncached = job(tmp_path / "uncached", "linear")
    uncached.applied.frozen_features = False
    one, other = training.train(cached).rows, training.train(uncached).rows
    assert [row["loss"] for row in one] == pytest.approx([row["loss"] for row in other], rel=1e-4)


def test_the_log_has_a_row_for_every_step_and_validation_at_the_end_of_each_epoch(tmp_path):
    rows = training.train(job(tmp_path)).rows
    assert [row["step"] for row in rows] == list(range(1, 16))
    assert [row["step"] for row in rows if row["validation_accuracy"] is not None] == [5, 10, 15]
    assert all(math.isfinite(row["loss"]) and row["epsilon"] == 0 for row in rows)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_rate_and_last_snapshot(tmp_path):
    bad = job(
        tmp_path, recipe={"learning_rate": 1e30, "clip_norm": None, "warmup": 0.0, "schedule": "constant"}
    )
    with pytest.raises(UserError, match=r"step \d+ \(learning rate 1e\+30; last good snapshot: step 0\)"):
        training.train(bad)
    assert [path.name for path in tmp_path.glob("part-*")] == ["part-00000000.safetensors"]


@pytest.mark.parametrize("objective", [("rft_fix", ROBUST), ("trades", ROBUST)])
def test_a_robust_run_that_is_not_finite_stops_too(tmp_path, objective):
    recipe = {"learning_rate": 1e30, "clip_norm": None, "warmup": 0.0, "schedule": "constant"}
    with pytest.raises(UserError, match=r"step \d+ \(learning rate 1e\+30; last good snapshot: step 0\)"):
        training.train(job(tmp_path, recipe=recipe, objective=objective))


def test_a_finite_loss_that_diverged_stops_the_run(tmp_path, monkeypatch):
    update = training._update

    def diverging(*args):
        return update(*args) * (2000.0 if args[3] == 6 else 1.0)

    monkeypatch.setattr(training, "_update", diverging)
    with pytest.raises(
        UserError, match=r"a loss of \d+ at step 7 \(learning rate .*; last good snapshot: step 4\)"
    ):
        training.train(job(tmp_path))


def test_robust_validation_is_measured_when_due_on_its_images_and_changes_nothing(tmp_path):
    subset = Split(*(part[::2] for part in (VALIDATION.images, VALIDATION.labels, VALIDATION.ids)))
    spec = {"attack": "pgd", "steps": 3, "random_start": False, "criterion": "any_iterate"}
    plain, measured = job(tmp_path / "plain"), job(tmp_path / "measured")
    measured.robust_validation = RobustValidation(subset, threat(spec, 0.03), 2)
    rows, without = training.train(measured).rows, training.train(plain).rows
    due = [row["step"] for row in rows if row["validation_robust_accuracy"] is not None]
    assert due == [10, 15]  # every second epoch, and the last
    assert {row["validation_epsilon"] for row in rows} == {None, 0.03}
    assert [row["loss"] for row in rows] == [row["loss"] for row in without]
    assert all(row["validation_robust_loss"] is None for row in without)
    # The probe engine, which drops fooled samples, finds as many robust.
    found = attack(measured.model, subset.images, subset.labels, subset.ids, threat(spec, 0.03), 0)
    assert rows[-1]["validation_robust_accuracy"] == float((found.correct & ~found.fooled).mean())
    clean = training.evaluate(measured.model, subset, RECIPE)
    assert rows[-1]["validation_robust_accuracy"] <= clean.accuracy
    assert rows[-1]["validation_robust_loss"] > clean.loss
    assert (rows[-1]["validation_n"], rows[-1]["validation_robust_n"]) == (24, 12)


def test_robust_validation_takes_a_fixed_even_subset():
    spec = {"attack": "apgd", "steps": 10, "norm": "linf", "epsilon": 0.03, "limit": 8, "every": 1}
    made = robust_validation(spec, VALIDATION, 0)
    assert made.split.ids.tolist() == robust_validation(spec, VALIDATION, 0).split.ids.tolist()
    assert np.bincount(made.split.labels).tolist() == [2, 2, 2, 2]
    for image, label, row in zip(made.split.images, made.split.labels, made.split.ids, strict=True):
        assert np.array_equal(image, VALIDATION.images[row]) and label == VALIDATION.labels[row]
    assert robust_validation(None, VALIDATION, 0) is None
    assert len(robust_validation(spec | {"limit": 1000}, VALIDATION, 0).split.ids) == 24


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_objective_learns_with_smoothing_clipping_and_either_precision(tmp_path, precision):
    recipe = {"label_smoothing": 0.1, "precision": precision, "epochs": 6, "learning_rate": 5e-3}
    for objective in (("rft_fix", ROBUST), ("trades", ROBUST)):
        made = job(tmp_path / objective[0], recipe=recipe, objective=objective)
        made.objective.label_smoothing = 0.1
        rows = training.train(made).rows
        losses = [row["loss"] for row in rows]
        assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
        assert rows[-1]["validation_accuracy"] > 0.5


def test_a_head_alone_sees_attacked_images_and_no_stored_features(tmp_path):
    made = job(tmp_path, "linear", objective=("rft_fix", ROBUST))
    assert made.applied.frozen_features
    batches = training._Batches(made)
    assert batches.model is made.model and batches.features is None
    before = snapshots.trainable_state(made.model)
    before = {name: tensor.clone() for name, tensor in before.items()}
    frozen = {name: p.detach().clone() for name, p in made.model.net.named_parameters() if name not in before}
    robust = training.train(made).rows
    standard = training.train(job(tmp_path / "standard", "linear")).rows
    assert robust[0]["loss"] > standard[0]["loss"] + 1e-3
    assert all(
        not torch.equal(tensor, before[n]) for n, tensor in snapshots.trainable_state(made.model).items()
    )
    for name, parameter in made.model.net.named_parameters():
        assert name in before or torch.equal(parameter, frozen[name]), name


def test_accuracy_and_loss_equal_a_count_by_hand(tmp_path):
    it = job(tmp_path)
    accuracy, loss, error, n = training.evaluate(it.model, VALIDATION, RECIPE)
    with torch.no_grad():
        logits = torch.cat(
            [it.model(torch.tensor(x[None] / 255, dtype=torch.float32)) for x in VALIDATION.images]
        )
    labels = torch.tensor(VALIDATION.labels)
    assert accuracy == float((logits.argmax(1) == labels).double().mean())
    losses = -logits.log_softmax(1)[torch.arange(24), labels]
    assert loss == pytest.approx(float(losses.mean()), rel=1e-5)
    assert error == pytest.approx(scipy.stats.sem(losses.numpy()), rel=1e-5)
    assert n == 24


def test_another_seed_gives_another_order(tmp_path):
    one, other = job(tmp_path / "a"), job(tmp_path / "b")
    other.seed = 4
    assert training.train(one).rows[0]["loss"] != training.train(other).rows[0]["loss"]
    shutil.rmtree(tmp_path)


def test_snapshots_that_are_not_kept_are_gone_and_those_kept_are_the_same(tmp_path):
    everything, thinned = job(tmp_path / "a"), job(tmp_path / "b")
    thinned.keep = {"every": 2}
    training.train(everything)
    training.train(thinned)
    steps = [path.name for path in sorted(everything.parts.glob("part-*"))]
    kept = sorted(thinned.parts.glob("part-*"))
    assert [path.name for path in kept] == sorted({*steps[::2], steps[-1]})
    assert all(path.read_bytes() == (everything.parts / path.name).read_bytes() for path in kept)


def test_a_run_that_keeps_the_last_snapshot_alone_continues_after_a_kill(tmp_path, monkeypatch):
    whole, killed = job(tmp_path / "a"), job(tmp_path / "b")
    whole.keep = killed.keep = "last"
    training.train(whole)
    save = training._save

    def dies(of, optimizer, state, kept):
        save(of, optimizer, state, kept)
        if state.step >= 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_save", dies)
    with pytest.raises(KeyboardInterrupt):
        training.train(killed)
    assert len(list(killed.parts.glob("part-*"))) == 1
    monkeypatch.setattr(training, "_save", save)
    again = job(tmp_path / "b")
    again.keep = "last"
    training.train(again)
    (last,) = again.parts.glob("part-*")
    assert last.read_bytes() == (whole.parts / last.name).read_bytes()
