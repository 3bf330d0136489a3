"""What the engine promises of every attack: honest examples, no dependence on batches, no needless work."""

import copy
from collections import Counter

import numpy as np
import pytest
import torch
from attacks_support import Small, as_floats, held_out, trained
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from tradeoff.attacks import engine, losses
from tradeoff.attacks.base import Samples
from tradeoff.attacks.engine import ROBUST, attack, sweep
from tradeoff.attacks.frozen import frozen
from tradeoff.attacks.oracle import Compute, Oracle
from tradeoff.attacks.threat import threat
from tradeoff.errors import UserError

QUICK = {
    "fgsm": {},
    "pgd": {"steps": 5},
    "apgd": {"steps": 8},
    "fab": {"steps": 5, "targets": 2},
    "square": {"queries": 20},
    "autoattack": {"steps": 5, "targets": 2, "queries": 8},
}


class Counting(torch.nn.Module):
    """A model that counts the samples it is asked about, with and without gradients."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forward_only, self.with_gradient = 0, 0

    def forward(self, x):
        if x.requires_grad:
            self.with_gradient += len(x)
        else:
            self.forward_only += len(x)
        return self.model(x)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(list(QUICK)),
    norm=st.sampled_from(["linf", "l2"]),
    epsilon=st.sampled_from([0.02, 0.1, 0.5, 2.0]),
    shape=st.tuples(st.integers(3, 16), st.integers(3, 16)),
    dtype=st.sampled_from([torch.float32, torch.float64, "bf16"]),
    seed=st.integers(0, 2**40),
)
def test_examples_lie_in_ball_and_box_and_fool(name, norm, epsilon, shape, dtype, seed):
    torch.manual_seed(seed % 1000)
    precision = "bf16" if dtype == "bf16" else "fp32"
    dtype = torch.float32 if dtype == "bf16" else dtype
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.GELU(), torch.nn.Flatten(), torch.nn.LazyLinear(5)
    ).to(dtype)
    x = torch.rand(12, 3, *shape, dtype=dtype)
    x[:4] = x[:4].round()  # on the walls of the box too
    with torch.no_grad():
        labels = model(x).argmax(1)
    labels[0] = (labels[0] + 1) % 5
    result = attack(
        model,
        x,
        labels,
        torch.arange(12),
        threat({"attack": name, "norm": norm, **QUICK[name]}, epsilon),
        seed,
        Compute(batch_size=5, precision=precision),
        keep_examples=True,
    )
    found = result.adversarial
    assert not result.correct[0]
    assert result.fooled[0]
    assert torch.equal(found[~result.fooled], x[~result.fooled])
    assert torch.equal(found[0], x[0])
    delta = (found - x).flatten(1)
    size = delta.abs().amax(1) if norm == "linf" else delta.double().square().sum(1).sqrt()
    assert size.max() <= epsilon + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1
    with torch.no_grad():
        assert (model(found).argmax(1) != labels)[result.fooled].all()
    assert ((result.steps_to_fool >= 0) == (result.fooled & result.correct)).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", ["pgd", "apgd", "fab", "square"])
def test_outcomes_depend_neither_on_batches_nor_on_shards(name, norm):
    model = Small().eval()
    model.load_state_dict(trained().state_dict())
    model.double()
    images, labels, ids = held_out(90)
    epsilon = (0.15 if name == "square" else 0.08) * (12 if norm == "l2" else 1)
    searched = threat({"attack": name, "norm": norm, **QUICK[name]}, epsilon)

    def outcome(rows: slice, batch_size: int) -> np.ndarray:
        return attack(
            model, images[rows], labels[rows], ids[rows], searched, 1, Compute(batch_size)
        ).steps_to_fool

    whole = outcome(slice(None), 90)
    assert len(set(whole)) > 2
    for batch_size in (1, 7, 64):
        assert (outcome(slice(None), batch_size) == whole).all()
    for shards in (2, 5):
        for shard in range(shards):
            rows = slice(shard, None, shards)
            assert (outcome(rows, 64) == whole[rows]).all()


@pytest.mark.parametrize("name", ["pgd", "apgd", "fab", "square"])
def test_in_fp32_batches_and_shards_change_at_most_one_outcome_in_500(name):
    model, (images, labels, ids) = trained(), held_out(500)
    searched = threat({"attack": name, **QUICK[name]}, 0.15 if name == "square" else 0.08)

    def fooled(rows: slice, batch_size: int) -> np.ndarray:
        return attack(model, images[rows], labels[rows], ids[rows], searched, 1, Compute(batch_size)).fooled

    whole = fooled(slice(None), 500)
    assert 50 < whole.sum() < 450
    for batch_size in (1, 7, 64):
        assert (fooled(slice(None), batch_size) != whole).sum() <= 1
    for shards in (2, 5):
        rows = [slice(shard, None, shards) for shard in range(shards)]
        assert sum((fooled(each, 64) != whole[each]).sum() for each in rows) <= 1


def test_waves_do_not_change_outcomes(monkeypatch):
    images, labels, ids = held_out(60)
    searched = threat({"attack": "pgd"}, 0.08)
    whole = attack(trained(), images, labels, ids, searched, 0, Compute(16))
    monkeypatch.setattr(engine, "_WAVE_BYTES", 1)
    waves = attack(trained(), images, labels, ids, searched, 0, Compute(16))
    assert (whole.steps_to_fool == waves.steps_to_fool).all()


def test_misclassified_samples_never_enter_and_fooled_ones_leave():
    model = Counting(trained())
    images, labels, ids = held_out(150)
    labels = labels.copy()
    labels[:40] = (labels[:40] + 1) % 10
    result = attack(model, images, labels, ids, threat({"attack": "pgd", "steps": 15}, 0.1), 0)
    entered = result.correct
    assert entered.sum() < 115
    steps = result.steps_to_fool[entered]
    # Fooled by iterate k: evaluated k + 1 times. Resisting: 16 times, the last without gradient.
    with_gradient = np.where(steps < 0, 15, np.minimum(steps + 1, 15))
    assert model.with_gradient == with_gradient.sum()
    assert model.forward_only == 150 + ((steps < 0) | (steps == 15)).sum()


def test_a_sweep_equals_single_attacks_until_the_first_failure():
    model, (images, labels, ids) = trained(), held_out(120)
    epsilons = [0.02, 0.06, 0.1, 0.5]
    searched = threat({"attack": "pgd"}, 1.0)
    swept = sweep(model, images, labels, ids, searched, epsilons, 0).first_failure
    singles = [attack(model, images, labels, ids, searched.at(epsilon), 0) for epsilon in epsilons]
    expected = np.full(len(labels), ROBUST)
    for rank, single in reversed(list(enumerate(singles, start=1))):
        expected[single.fooled] = rank
    expected[~singles[0].correct] = 0
    assert (swept == expected).all()
    robust = [(swept > rank).sum() for rank in range(len(epsilons) + 1)]
    assert robust == sorted(robust, reverse=True)
    assert robust[-1] == 0


@pytest.mark.parametrize("epsilons", [[], [0.2, 0.1], [0.1, 0.1]])
def test_a_sweep_wants_rising_epsilons(epsilons):
    images, labels, ids = held_out(2)
    with pytest.raises(ValueError, match="rise"):
        sweep(trained(), images, labels, ids, threat({"attack": "fgsm"}, 1), epsilons, 0)


def test_bytes_and_floats_are_the_same_images():
    images, labels, ids = held_out(50)
    searched = threat({"attack": "pgd"}, 0.08)
    a = attack(trained(), images, labels, ids, searched, 0)
    b = attack(trained(), as_floats(images), labels, ids, searched, 0)
    assert (a.steps_to_fool == b.steps_to_fool).all()


def test_modes_and_weights_are_as_before_even_after_an_error():
    class Failing(Small):
        calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls == 3:
                raise RuntimeError("out of memory")
            assert not self.training
            assert not any(weight.requires_grad for weight in self.parameters())
            return super().forward(x)

    model = Failing().train()
    model.net[1].eval()
    model.net[0].weight.requires_grad_(False)
    images, labels, ids = held_out(60)
    with pytest.raises(RuntimeError, match="out of memory"):
        attack(model, images, labels, ids, threat({"attack": "pgd"}, 0.1), 0)
    assert model.training
    assert not model.net[1].training
    assert [weight.requires_grad for weight in model.parameters()] == [False] + [True] * 7


def test_examples_found_in_bf16_count_only_when_the_model_itself_agrees():
    class Liar(torch.nn.Module):
        """Right in its own precision, always wrong under autocast."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x):
            flat = torch.is_autocast_enabled("cpu")
            zero = x.flatten(1).sum(1) * 0 * self.weight
            return torch.stack([zero + 1, zero + (2 if flat else 0)], dim=1)

    x = torch.rand(10, 3, 4, 4)
    result = attack(
        Liar(),
        x,
        torch.zeros(10, dtype=torch.int64),
        torch.arange(10),
        threat({"attack": "pgd"}, 0.1),
        0,
        Compute(precision="bf16"),
    )
    assert result.correct.all()
    assert not result.fooled.any()


@pytest.mark.parametrize("spec", [{"attack": "pgd", "steps": 4}, {"attack": "square", "queries": 4}])
def test_in_bf16_the_last_point_is_judged_by_the_model_itself(spec):
    class Hiding(torch.nn.Module):
        """Right under autocast, but wrong in its own precision anywhere off the clean image."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x):
            off = (x - 0.5).abs().flatten(1).amax(1) > 0
            zero = x.flatten(1).sum(1) * 0 * self.weight
            wrong = off & (not torch.is_autocast_enabled("cpu"))
            return torch.stack([zero + 1, zero + 2 * wrong], dim=1)

    x, labels = torch.full((10, 3, 4, 4), 0.5), torch.zeros(10, dtype=torch.int64)
    bf16 = Compute(precision="bf16")
    result = attack(Hiding(), x, labels, torch.arange(10), threat(spec, 0.1), 0, bf16, keep_examples=True)
    assert result.correct.all()
    assert (result.steps_to_fool == 4).all()
    with torch.no_grad():
        assert (Hiding()(result.adversarial).argmax(1) == 1).all()


def test_bf16_agrees_with_fp32_on_nearly_all_samples():
    images, labels, ids = held_out(100)
    searched = threat({"attack": "pgd", "steps": 5}, 0.08)
    exact = attack(trained(), images, labels, ids, searched, 0)
    fast = attack(trained(), images, labels, ids, searched, 0, Compute(precision="bf16"), keep_examples=True)
    assert (exact.correct == fast.correct).all()
    assert (exact.fooled == fast.fooled).mean() > 0.95
    wrong = trained()(fast.adversarial).argmax(1) != torch.from_numpy(labels)
    assert wrong.numpy()[fast.fooled].all()


class Casts(TorchDispatchMode):
    """Counts, by shape, the tensors that change their type."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ == "_to_copy":
            self.shapes[args[0].shape] += 1
        return func(*args, **(kwargs or {}))


def test_in_bf16_logits_and_gradients_are_autocasts_but_weights_are_rounded_once():
    model, x = trained(), as_floats(held_out(20)[0])
    labels = torch.zeros(20, dtype=torch.int64)
    with frozen(model):
        point = x.clone().requires_grad_()
        with Casts() as theirs, torch.autocast("cpu", torch.bfloat16):
            logits = model(point).float()
        (gradient,) = torch.autograd.grad(losses.ce(logits, labels, labels).sum(), point)
        (made,) = threat({"attack": "pgd"}, 0.1).attempts(10)
        samples = Samples(x, labels, torch.arange(20), logits, labels)
        oracle = Oracle(model, Compute(precision="bf16"))
        with Casts() as casts:
            ours, _, slope = oracle.climb(made, samples, x)
    assert torch.equal(ours, logits)
    assert torch.equal(slope, gradient)
    weights = [layer.weight.shape for layer in (model.net[0], model.net[3], model.net[7])]
    assert [theirs.shapes[shape] for shape in weights] == [1, 1, 1]
    assert [casts.shapes[shape] for shape in weights] == [0, 0, 0]


def test_channels_last_reaches_the_model_and_changes_nothing():
    class Watched(Small):
        def forward(self, x):
            weight = self.net[0].weight
            layouts.add(tuple(each.is_contiguous(memory_format=torch.channels_last) for each in (x, weight)))
            return super().forward(x)

    images, labels, ids = held_out(60)
    searched = threat({"attack": "apgd", "steps": 5}, 0.08)
    fooled = []
    for channels_last in (False, True):
        layouts = set()
        model = Watched().eval()
        model.load_state_dict(trained().state_dict())
        compute = Compute(channels_last=channels_last)
        fooled.append(attack(model, images, labels, ids, searched, 0, compute).fooled)
        assert layouts == {(channels_last, channels_last)}
    assert (fooled[0] == fooled[1]).mean() >= 0.98


def test_a_compiled_model_gives_the_same_outcomes_and_compiles_once_for_all_snapshots():
    graphs = []

    def counting(graph, inputs):
        graphs.append(graph)
        return graph

    torch.compiler.reset()
    torch._dynamo.register_backend(counting, name="counting")
    images, labels, ids = held_out(60)
    searched = threat({"attack": "pgd", "steps": 5}, 0.1)
    for scale in (1.0, 1.1, 1.2):
        snapshot = copy.deepcopy(trained())
        with torch.no_grad():
            snapshot.net[0].weight.mul_(scale)
        plain = attack(snapshot, images, labels, ids, searched, 0, Compute(16))
        compiled = attack(snapshot, images, labels, ids, searched, 0, Compute(16, compile="counting"))
        assert len(set(plain.steps_to_fool)) > 2  # batches shrink
        assert (plain.steps_to_fool == compiled.steps_to_fool).all()
    assert len(graphs) == 2  # with gradients and without


def test_nothing_to_attack_is_no_error():
    images, _, ids = held_out(20)
    answers = trained()(as_floats(images)).argmax(1).numpy()
    result = attack(trained(), images, (answers + 1) % 10, ids, threat({"attack": "autoattack"}, 0.1), 0)
    assert not result.correct.any()
    assert result.fooled.all()
    assert result.diagnostics.first_points == 0


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"attack": "apgd", "loss": "dlr"}, "at least 3 for the loss dlr; use the loss ce"),
        ({"attack": "autoattack"}, "at least 4 for the loss dlr; use apgd with the loss ce, fab or square"),
    ],
)
def test_dlr_refuses_too_few_classes(spec, words):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    images, _, ids = held_out(10)
    labels = model(as_floats(images)).argmax(1)
    with pytest.raises(UserError, match=words):
        attack(model, images, labels, ids, threat(spec, 0.1), 0)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"attack": "pdg"}, "pgd"),
        ({"attack": "pgd", "norm": "l1"}, "linf"),
        ({"attack": "pgd", "step": 3}, "steps"),
    ],
)
def test_a_misspelt_threat_says_what_is_known(spec, words):
    with pytest.raises(UserError, match=words):
        threat(spec, 0.1)


def test_diagnostics_count_zero_gradients_and_losses_that_do_not_rise():
    class Rounded(torch.nn.Module):
        """Quantised inputs: no gradient gets through."""

        def __init__(self) -> None:
            super().__init__()
            self.model = trained()

        def forward(self, x):
            return self.model((x * 15).round() / 15)

    images, labels, ids = held_out(50)
    result = attack(Rounded(), images, labels, ids, threat({"attack": "pgd"}, 0.05), 0)
    assert result.diagnostics.first_points > 40
    assert result.diagnostics.zero_gradients == result.diagnostics.first_points
    honest = attack(trained(), images, labels, ids, threat({"attack": "pgd"}, 0.05), 0).diagnostics
    assert honest.zero_gradients == 0
    assert honest.risen == honest.climbs > 40


class Answers(TorchDispatchMode):
    """Counts the operations for which a GPU has to finish its work before the processor can go on."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            each is not None and each.dtype == torch.bool for each in args[1]
        )
        self.count += masks or name in ("nonzero", "_local_scalar_dense", "masked_select")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("spec", [{"attack": "pgd"}, {"attack": "apgd"}])
def test_a_step_of_a_wave_asks_the_device_for_one_answer(spec):
    model, (images, labels, ids) = trained(), held_out(60)

    def answers(steps, epsilon):
        with Answers() as mode:
            result = attack(
                model, images, labels, ids, threat(spec | {"steps": steps}, epsilon), 0, Compute(20)
            )
        left = result.correct & ~result.fooled
        return mode.count, len(set(result.steps_to_fool)), left.any()

    few, _, _ = answers(8, 1e-6)
    many, times, left = answers(16, 0.06)
    assert times > 1  # samples leave
    assert left
    assert many - few == 8
