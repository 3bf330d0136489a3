"""The training loop: resumable bit for bit, equal to a plain loop, and stopped by what is not finite."""

import math
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from tradeoff import objectives, snapshots, strategies, training
from tradeoff.backbones import build
from tradeoff.data.splits import Split
from tradeoff.errors import UserError
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
    "label_smoothing": 0.0,
    "precision": "fp32",
}


def images(n, seed):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, n)
    pixels = random.integers(0, 256, (n, 3, 16, 16)) // 4 + 40 * labels[:, None, None, None]
    return Split(pixels.astype(np.uint8), labels.astype(np.int64), np.arange(n, dtype=np.int64))


TRAIN, VALIDATION = images(72, 0), images(24, 1)


def job(parts, strategy="full", recipe=None, arguments=None, schedule=None):
    spec = SPEC | {"arguments": SPEC["arguments"] | (arguments or {})}
    model = build(spec, 4, 0, None)
    applied = strategies.apply(model, strategy, {}, 0)
    return training.Job(
        model=model,
        applied=applied,
        objective=objectives.load("standard", {}),
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


@pytest.mark.parametrize("strategy", ["full", "linear", "lora"])
@pytest.mark.parametrize("kill_at", [1, 6, 13])
def test_killed_at_any_step_and_continued_it_ends_with_the_same_bits(
    tmp_path, monkeypatch, strategy, kill_at
):
    arguments = {"drop_rate": 0.1}  # dropout's masks have to continue too
    whole = job(tmp_path / "whole", strategy, arguments=arguments)
    expected = training.train(whole)
    update, calls = training._update, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) > kill_at:
            raise Killed
        return update(*args)

    monkeypatch.setattr(training, "_update", interrupted)
    with pytest.raises(Killed):
        training.train(job(tmp_path / "killed", strategy, arguments=arguments))
    monkeypatch.setattr(training, "_update", update)
    again = job(tmp_path / "killed", strategy, arguments=arguments)
    found = training.train(again)
    assert found.rows == expected.rows
    for name, tensor in snapshots.trainable_state(whole.model).items():
        assert torch.equal(tensor, snapshots.trainable_state(again.model)[name]), name
    files = sorted(path.name for path in (tmp_path / "whole").glob("part-*"))
    assert files == [f"part-{step:08d}.safetensors" for step in (0, 4, 8, 12, 15)]
    for name in files:
        one, other = load_file(tmp_path / "whole" / name), load_file(tmp_path / "killed" / name)
        assert all(torch.equal(one[key], other[key]) for key in one)


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


def test_a_torn_state_file_costs_its_work_and_nothing_else(tmp_path):
    expected = training.train(job(tmp_path / "a"))
    training.train(job(tmp_path / "b"))
    state = tmp_path / "b" / "state.pt"
    state.write_bytes(state.read_bytes()[:100])
    assert training.train(job(tmp_path / "b")).rows == expected.rows


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
        pixels, labels, _ = batches.get(step // 5, step % 5)
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
    epochs = [torch.cat([batches.get(epoch, index)[2] for index in range(5)]).tolist() for epoch in (0, 1)]
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


def test_accuracy_and_loss_equal_a_count_by_hand(tmp_path):
    it = job(tmp_path)
    accuracy, loss = training.evaluate(it.model, VALIDATION, RECIPE)
    with torch.no_grad():
        logits = torch.cat(
            [it.model(torch.tensor(x[None] / 255, dtype=torch.float32)) for x in VALIDATION.images]
        )
    labels = torch.tensor(VALIDATION.labels)
    assert accuracy == float((logits.argmax(1) == labels).double().mean())
    assert loss == pytest.approx(float(-logits.log_softmax(1)[torch.arange(24), labels].mean()), rel=1e-5)


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
