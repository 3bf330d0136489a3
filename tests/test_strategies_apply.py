"""What each strategy trains, on every family of backbones, against names written down here."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backbones_support import TINY, images, randomise, tiny
from tradeoff import strategies
from tradeoff.backbones import batch_norms, build
from tradeoff.errors import UserError
from tradeoff.families import family_of

VIT_BASE = {"model": "vit_base_patch16_224", "mean": [0.5] * 3, "std": [0.5] * 3, "image_size": 224}

# Names of what trains beside the head, as regular expressions.
TRAINED = {
    "full": ".*",
    "lp_ft": ".*",
    "linear": "nothing",
    "bitfit": r".*\.bias",
    "lora": r".*\.lora\.[AB]",
    "adapter": r".*\.drop_path[12]?\.adapter\.(down|up)\.(weight|bias)",
    "compacter": r".*\.drop_path[12]?\.compacter\.(down|up)\.(left|right|bias|rule)",
    "ia3": r".*\.(attn\.qkv|mlp\.fc[12])\.ia3\.scale",
    "vpt": r"blocks\.\d+\.prompts",
    "dora": r".*\.(lora_A|lora_B|lora_magnitude_vector)\.default\.weight",
    "union": r".*\.bias|.*\.lora\.[AB]",
}
NORMS = {
    "vit": r"(.*\.)?norm\d?\.(weight|bias)",
    "clip_vit": r"(.*\.)?norm(\d|_pre)?\.(weight|bias)",
    "swin": r"(.*\.)?norm\d?\.(weight|bias)",
    "convnext": r"stem\.1\..*|.*\.downsample\.0\..*|.*norm\.(weight|bias)",
    "resnet": r"(.*\.)?bn\d\.(weight|bias)|.*\.downsample\.1\..*",
    "mobilenet": r"(.*\.)?bn\d\.(weight|bias)",
}
# The families that a strategy is not defined on.
REFUSED = {
    "adapter": {"resnet", "mobilenet"},
    "compacter": {"resnet", "mobilenet"},
    "ia3": {"convnext", "resnet", "mobilenet"},
    "dora": {"resnet", "mobilenet"},
    "vpt": {"swin", "convnext", "resnet", "mobilenet"},
}
PAIRS = [(s, f) for s, entry in strategies.STRATEGIES.items() for f in TINY if f in entry.families]
PARAMS = {
    "lora": st.fixed_dictionaries(
        {
            "rank": st.integers(1, 5),
            "alpha": st.sampled_from([1.0, 8.0]),
            "targets": st.lists(st.sampled_from(["k", "v", "proj", "fc2"]), unique=True).map(
                lambda t: [*t, "fc1"]
            ),
            "dropout": st.sampled_from([0.0, 0.3]),
        }
    ),
    "adapter": st.fixed_dictionaries({"reduction_factor": st.sampled_from([1.0, 2.5, 8.0, 64.0])}),
    "compacter": st.fixed_dictionaries(
        {"reduction_factor": st.sampled_from([1.0, 32.0]), "phm_dim": st.sampled_from([1, 2, 4])}
    ),
    "vpt": st.fixed_dictionaries({"prompts": st.integers(1, 4), "deep": st.booleans()}),
    "lp_ft": st.fixed_dictionaries({"probe_share": st.sampled_from([0.0, 0.5])}),
}


@pytest.mark.parametrize(("strategy", "family"), PAIRS)
def test_every_strategy_says_where_it_acts_and_how(strategy, family):
    said = strategies.apply(tiny(family), strategy, {}, 0).strategy
    assert "—" not in said.place + said.mechanism


@pytest.mark.parametrize(
    ("strategy", "params", "family", "place"),
    [
        ("lora", {}, "vit", "q, k, v, fc1, fc2 of every block"),
        ("lora", {"targets": ["proj", "q"]}, "vit", "q, proj of every block"),
        ("lora", {}, "convnext", "fc1, fc2 of every block"),
        ("lora", {}, "resnet", "every 1x1 convolution"),
        ("dora", {"targets": ["proj"]}, "vit", "proj of every block"),
        ("vpt", {"deep": False}, "vit", "input of the first block"),
        (
            "union",
            {"members": {"ia3": {}, "bitfit": {}}},
            "vit",
            "every bias; outputs of k, v, fc1 (before GELU) and fc2",
        ),
    ],
)
def test_the_place_of_a_strategy_is_where_it_was_inserted(strategy, params, family, place):
    model = tiny(family)
    assert strategies.apply(model, strategy, params, 0).strategy.place == place
    if strategy in ("lora", "dora") and "block" in place:
        # q, k and v are rows of one matrix.
        owners = {re.search(r"\.(qkv|proj|fc\d)\.lora", name) for name in model.trained if "lora" in name}
        named = {
            "qkv" if part in "qkv" else part for part in place.removesuffix(" of every block").split(", ")
        }
        assert {owner[1] for owner in owners} == named


@pytest.mark.parametrize(
    ("strategy", "backbone_part"),
    [
        ("full", 85_798_656),
        ("linear", 0),
        ("bitfit", 102_912),
        ("lora", 1_179_648),
        ("adapter", 3_559_680),
        ("compacter", 57_088),
        ("ia3", 64_512),
    ],
)
def test_trainable_counts_on_vit_base_are_the_published_ones(strategy, backbone_part):
    for classes in (10, 100, 200):
        with torch.device("meta"):
            model = build(VIT_BASE, classes, 0, None)
            strategies.apply(model, strategy, {}, 0)
        assert strategies.counts(model)["trainable"] == backbone_part + 769 * classes
        assert strategies.counts(model)["head"] == 769 * classes
        with_gradient = sum(p.numel() for p in model.parameters() if p.requires_grad)
        assert with_gradient == backbone_part + 769 * classes


@pytest.mark.parametrize(("strategy", "family"), PAIRS)
@settings(max_examples=2, deadline=None, derandomize=True)
@given(data=st.data())
def test_exactly_the_declared_parameters_get_gradients_and_move(strategy, family, data):
    params = data.draw(PARAMS.get(strategy, st.just({})))
    model = tiny(family)
    randomise(model.parameters())  # a fresh ResNet has branches that end in a scale of zero
    applied = strategies.apply(model, strategy, params, 0)
    declared = declared_names(model, strategy, family)
    assert set(model.trained) == declared
    assert set(strategies.trainable(model)) == declared
    before = {name: tensor.clone() for name, tensor in model.net.state_dict().items()}
    moving = {name for name, _ in model.net.named_buffers() if "running_" in name or "num_batches" in name}

    ten_steps(model, applied, family)

    if strategy not in ("full", "lp_ft"):
        moving = set()
    shared = {name for name in before if name.endswith((".down.rule", ".up.rule"))}
    moved = {name for name, tensor in model.net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved - shared == (declared | moving) - shared
    assert {n for n, p in model.net.named_parameters() if p.grad is not None} == declared


def declared_names(model, strategy, family):
    """Names of a model's parameters that a strategy trains, by the patterns above and the head's own.

    Of a strategy that has none there: what it says itself.
    """
    if strategy == "union":
        return set.union(*(declared_names(model, member, family) for member in strategies.DEFAULT_MEMBERS))
    if strategy not in TRAINED and strategy != "norm":
        return set(model.trained)
    pattern = NORMS[family] if strategy == "norm" else TRAINED[strategy]
    head = TINY[family][3]
    names = [name for name, _ in model.net.named_parameters()]
    return {name for name in names if re.fullmatch(pattern, name) or name.startswith(head)}


def ten_steps(model, applied, family):
    optimizer = torch.optim.AdamW(strategies.decay_groups(model, 0.1), lr=1e-2)
    x, labels = images(family, 6), torch.arange(6) % 5
    for step in range(10):
        applied.at_step(model, step, 10)
        applied.train_mode(model)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()


@pytest.mark.parametrize(
    ("strategy", "family", "number"),
    [
        ("lora", "vit", 2 * 3 * 2),  # qkv, fc1, fc2 of two blocks, A and B
        ("lora", "swin", 3 * 3 * 2),
        ("lora", "convnext", 4 * 2 * 2),
        ("lora", "resnet", 4 * 3 * 2),  # two 1x1 convolutions of each bottleneck and its downsampling
        ("adapter", "clip_vit", 2 * 2 * 4),
        ("adapter", "swin", 3 * 2 * 4),
        ("adapter", "convnext", 4 * 1 * 4),
        ("compacter", "vit", 2 * 2 * 6 + 1),
        ("ia3", "swin", 3 * 3),
        ("vpt", "vit", 2),
    ],
)
def test_modules_are_inserted_at_every_place(strategy, family, number):
    model = tiny(family)
    before = {name for name, _ in model.net.named_parameters()}
    strategies.apply(model, strategy, {}, 0)
    inserted = [name for name, _ in model.net.named_parameters() if name not in before]
    assert len(inserted) == number


@pytest.mark.parametrize(("strategy", "family"), [(s, f) for s, fs in REFUSED.items() for f in sorted(fs)])
def test_a_strategy_is_refused_where_it_is_not_defined(strategy, family):
    with pytest.raises(UserError) as refusal:
        strategies.check_applies(strategy, TINY[family][0])
    assert family in str(refusal.value)
    offered = refusal.value.do.partition(":")[2].split(", ")
    assert "lora" in " ".join(offered)
    assert strategy not in [name.strip() for name in offered]
    with pytest.raises(UserError):
        strategies.apply(tiny(family), strategy, {}, 0)


def test_strategies_are_defined_everywhere_else():
    for strategy in TRAINED.keys() | {"norm"}:
        assert set(strategies.STRATEGIES[strategy].families) == TINY.keys() - REFUSED.get(strategy, set())


def test_a_union_is_refused_where_a_member_is():
    strategies.check_applies("union", "resnet50", {"members": {"bitfit": {}, "lora": {}}})
    with pytest.raises(UserError, match="ia3"):
        strategies.check_applies("union", "resnet50", {"members": {"bitfit": {}, "ia3": {}}})


def test_an_unknown_strategy_or_backbone_names_those_that_there_are():
    with pytest.raises(UserError, match=r"'lorra'.*lora"):
        strategies.check_applies("lorra", "resnet50")
    with pytest.raises(UserError, match=r"'inception_v4'.*resnet50"):
        strategies.check_applies("lora", "inception_v4")


@pytest.mark.parametrize("family", TINY)
def test_families_are_told_by_name_with_and_without_a_tag(family):
    assert family_of(TINY[family][0]) == family
    assert family_of(f"{TINY[family][0]}.some_tag") == family


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("vit_base_patch16_224.augreg_in1k", "vit"),
        ("vit_base_patch16_224.orig_in21k", "vit"),
        ("swin_base_patch4_window7_224.ms_in22k_ft_in1k", "swin"),
        ("convnext_base.fb_in22k_ft_in1k", "convnext"),
        ("resnet50.a1_in1k", "resnet"),
        ("vit_base_patch16_clip_224.laion2b", "clip_vit"),
    ],
)
def test_the_papers_backbones_have_a_family(model, family):
    assert family_of(model) == family


def test_checking_at_the_start_of_a_workflow_needs_no_torch():
    program = (
        "import sys; from tradeoff import strategies;"
        "strategies.check_applies('lora', 'vit_base_patch16_224');"
        "print(strategies.modules({'name': 'union', 'params': {}}), 'torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("False\n")
    assert [f"tradeoff.strategies.{name}" in shown for name in ("union", "lora", "bitfit", "ia3")] == [
        True,
        True,
        True,
        False,
    ]


def test_the_same_seed_inserts_the_same_and_the_global_stream_goes_on_undisturbed():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    states = []
    for seed in (1, 1, 2):
        model = tiny("vit")
        strategies.apply(model, "lora", {}, seed)
        states.append(model.net.state_dict()["blocks.0.attn.qkv.lora.A"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("strategy", ["lora", "ia3", "dora"])
@pytest.mark.parametrize("family", ["vit", "swin"])
def test_these_strategies_start_at_the_pretrained_function(strategy, family):
    model, plain, x = tiny(family), tiny(family), images(family)
    strategies.apply(model, strategy, {}, 0)
    torch.testing.assert_close(model(x), plain(x), rtol=1e-5, atol=1e-6)


# --- modes


@pytest.mark.parametrize("family", ["resnet", "mobilenet"])
@pytest.mark.parametrize(("strategy", "updates"), [("full", True), ("linear", False), ("bitfit", False)])
def test_batch_norm_is_in_train_mode_only_where_its_statistics_move(strategy, updates, family):
    model = tiny(family)
    applied = strategies.apply(model, strategy, {}, 0)
    for _ in range(2):  # an evaluation in between puts everything back in train mode
        applied.train_mode(model)
        assert {layer.training for layer in batch_norms(model.net)} == {updates}
        assert model.net.training
        model.eval()
        model.train()
    applied.train_mode(model)
    assert {layer.training for layer in batch_norms(model.net)} == {updates}
    statistics = {name for name, _ in model.net.named_buffers() if "running_" in name or "batches" in name}
    assert set(model.moving) == (statistics if updates else set())


def test_features_are_frozen_only_in_linear_probing_without_dropout():
    frozen = {
        (strategy, family): strategies.apply(tiny(family), strategy, {}, 0).frozen_features
        for strategy in ("linear", "full", "bitfit", "lora", "lp_ft")
        for family in ("vit", "resnet")
    }
    assert {key for key, value in frozen.items() if value} == {("linear", "vit"), ("linear", "resnet")}
    spec = {"model": "resnet18", "arguments": {"drop_rate": 0.5}, "mean": [0.5] * 3, "std": [0.5] * 3}
    assert not strategies.apply(build(spec, 5, 0, None), "linear", {}, 0).frozen_features


def test_linear_probing_then_fine_tuning_moves_the_backbone_from_the_switch_on():
    model = tiny("resnet")
    applied = strategies.apply(model, "lp_ft", {"probe_share": 0.4}, 0)
    start = {name: tensor.clone() for name, tensor in model.net.state_dict().items()}
    optimizer = torch.optim.AdamW(strategies.decay_groups(model, 0.1), lr=1e-2)
    moved = []
    for step in range(6):
        applied.at_step(model, step, 10)
        applied.train_mode(model)
        optimizer.zero_grad()
        model(images("resnet")).square().sum().backward()
        optimizer.step()
        state = model.net.state_dict()
        moved.append({name for name in state if not torch.equal(state[name], start[name])})
    assert moved[3] == {"fc.weight", "fc.bias"}
    assert moved[5] == set(start)
    applied.at_step(model, 2, 10)  # a function of the step alone
    assert {name for name, p in model.net.named_parameters() if p.requires_grad} == {"fc.weight", "fc.bias"}


def test_dropout_of_low_rank_updates_acts_in_training_only():
    model, x = tiny("vit"), images("vit")
    applied = strategies.apply(model, "lora", {"dropout": 0.5}, 0)
    randomise(strategies.trainable(model).values())
    assert torch.equal(model(x), model(x))
    applied.train_mode(model)
    assert not torch.equal(model(x), model(x))


# --- weight decay and counts


@pytest.mark.parametrize(("strategy", "family"), PAIRS)
def test_decay_leaves_scales_norms_and_biases_alone(strategy, family):
    model = tiny(family)
    strategies.apply(model, strategy, {}, 0)
    names = {id(parameter): name for name, parameter in model.net.named_parameters()}
    decayed, spared = set(), set()
    for group in strategies.decay_groups(model, 0.3):
        assert group["weight_decay"] in (0.3, 0.0)
        (decayed if group["weight_decay"] else spared).update(names[id(p)] for p in group["params"])
    assert decayed | spared == set(model.trained)
    assert not decayed & spared
    biases_and_scales = re.compile(
        rf"{NORMS[family]}|.*\.(bias|scale|gamma|relative_position_bias_table)|.*magnitude_vector.*"
        r"|pos_embed|cls_token"
    )
    assert spared == {name for name in model.trained if biases_and_scales.fullmatch(name)}


def test_counts_are_those_of_the_parameters():
    model = tiny("vit")
    strategies.apply(model, "compacter", {}, 0)
    numbers = strategies.counts(model)
    assert numbers["total"] == sum(p.numel() for p in model.parameters())  # a shared rule counts once
    assert numbers["trainable"] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert numbers["head"] == 32 * 5 + 5


# --- schemas


@pytest.mark.parametrize("name", strategies.STRATEGIES)
def test_defaults_fit_the_schema_and_other_keys_do_not(name):
    schema = strategies.schema(name)
    defaults = asdict(sys.modules[strategies.STRATEGIES[name].module].Params())
    defaults = {key: list(v) if isinstance(v, tuple) else v for key, v in defaults.items()}
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(defaults, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(defaults | {"misspelt": 1}, schema)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("lora", {"rank": 0}),
        ("lora", {"targets": ["q", "z"]}),
        ("lora", {"targets": []}),
        ("lora", {"dropout": 1.0}),
        ("adapter", {"reduction_factor": 0.5}),
        ("compacter", {"phm_dim": 0}),
        ("lp_ft", {"probe_share": 1.5}),
        ("vpt", {"prompts": 0}),
        ("union", {"members": {"full": {}}}),
        ("union", {"members": {"lora": {"rnak": 2}}}),
        ("union", {"members": {}}),
    ],
)
def test_the_schema_refuses_what_makes_no_sense(name, params):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(params, strategies.schema(name))


def test_every_strategy_has_one_file_of_its_name():
    modules = Counter(entry.module for entry in strategies.STRATEGIES.values())
    assert modules == Counter(f"tradeoff.strategies.{name}" for name in strategies.STRATEGIES)


def test_a_width_that_the_compacter_cannot_split_is_refused():
    with pytest.raises(UserError, match=r"phm_dim: found 5; expected a divisor of .* 32"):
        strategies.apply(tiny("vit"), "compacter", {"phm_dim": 5}, 0)


def test_targets_that_a_backbone_lacks_are_refused():
    with pytest.raises(UserError, match=r"lora.targets: found q, k"):
        strategies.apply(tiny("convnext"), "lora", {"targets": ["q", "k"]}, 0)
