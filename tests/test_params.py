"""Params: what people write is understood or refused in one line that names the key."""

from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeoff.errors import UserError
from tradeoff.params import check_params, format_epsilon, load_params, parse_epsilon
from tradeoff.params.yaml_files import merge, read_yaml

ROOT = Path(__file__).parents[1]
DEFAULT = ROOT / "params.yaml"


def overlay(tmp_path, text):
    path = tmp_path / "overlay.yaml"
    path.write_text(text)
    return load_params([DEFAULT, path])


def refusal(tmp_path, text):
    with pytest.raises(UserError) as caught:
        overlay(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message
    return message


NAMED = "study: {name: mine}\n"


def test_the_default_study_and_every_study_file_are_valid():
    assert load_params([DEFAULT])["study"]["name"] == "quickstart"
    for file in (ROOT / "studies").glob("*.yaml"):
        assert load_params([DEFAULT, file])["study"]["name"] == file.stem


def test_an_overlay_replaces_the_source_of_weights_and_adds_to_one(tmp_path):
    base = {"vit": {"weights": {"hub": "timm/vit", "revision": None}, "image_size": 16}}
    pinned = {"vit": {"weights": {"revision": "a" * 40}}}
    assert merge([base, pinned])["vit"]["weights"] == {"hub": "timm/vit", "revision": "a" * 40}
    local = {"vit": {"weights": {"file": "vit.safetensors"}}}
    assert merge([base, local])["vit"] == {"weights": {"file": "vit.safetensors"}, "image_size": 16}


def test_an_overlay_replaces_lists_and_merges_mappings(tmp_path):
    params = overlay(tmp_path, NAMED + "training: {epochs: 3}\nprobe_schedule: [{every: 7}]")
    assert params["training"] == load_params([DEFAULT])["training"] | {"epochs": 3}
    assert params["probe_schedule"] == [{"every": 7}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: {epochz: 3}", ["overlay.yaml: training.epochz", "unknown key", "did you mean 'epochs'"]),
        ("training: {epochs: -3}", ["overlay.yaml: training.epochs", "-3", "more than 0"]),
        ("training: {batch_size: 2.5}", ["training.batch_size", "2.5", "a whole number"]),
        ("trainings: {}", ["overlay.yaml: trainings", "unknown key", "training"]),
        ("probes: {pgd: {epsilons: [4/0]}}", ["overlay.yaml: probes.pgd.epsilons.0", "4/0", "4/255"]),
        ("probes: {pgd: {epsilons: [8/255, 4/255]}}", ["probes.pgd.epsilons.1", "rising"]),
        ("study: {name: mine, strategies: [lroa]}", ["study.strategies.0", "lroa", "did you mean 'lora'"]),
        ("strategies: {lora: {rank: 0}}", ["strategies.lora.rank", "0", "at least 1"]),
        ("strategies: {lora: {targets: [q, z]}}", ["strategies.lora.targets.1", "'z'", "one of"]),
        ("strategies: {lorra: {}}", ["strategies.lorra", "unknown key", "did you mean 'lora'"]),
        ("probes: {pgd: {kind: atack}}", ["probes.pgd.kind", "atack", "attack"]),
        ("probe_schedule: [{every: 5}, {every: 9}]", ["probe_schedule.0.until"]),
        ("probe_schedule: [{until: 9, every: 0}]", ["probe_schedule.0.every", "at least 1"]),
        ("data: {mirror: 3}", ["data.mirror", "3", "a word or null"]),
        ("study: {name: Mine}", ["study.name", "'Mine'"]),
        ("study: {name: ../x}", ["study.name", "'../x'"]),
        ("study: {name: mine, seeds: [1, 1]}", ["study.seeds", "none twice"]),
        ("training: {warmup: 1.5}", ["training.warmup", "1.5"]),
        ("objectives: {rft_fix: {epsilon: 0}}", ["objectives.rft_fix.epsilon", "0", "more than 0"]),
        ("objectives: {rft_fix: {epsilon: 4/256/2}}", ["objectives.rft_fix.epsilon", "4/255"]),
        ("objectives: {rft_fix: {epsilon: null}}", ["objectives.rft_fix.epsilon", "nothing", "4/255"]),
        ("objectives: {trades: {epsilon: '5000'}}", ["objectives.trades.epsilon", "5000", "1000"]),
        (
            "objectives: {rft_fix: {sweep: {epsilon: [8/255, 4/255]}}}",
            ["objectives.rft_fix.sweep.epsilon.1", "rising"],
        ),
        ("objectives: {rft_fix: {attack: fgsm}}", ["objectives.rft_fix.attack", "fgsm", "apgd, pgd"]),
        ("objectives: {rft_fix: {t1: 3}}", ["objectives.rft_fix.t1", "unknown key"]),
        ("objectives: {rft_fix: {training: {warmup: 1.5}}}", ["objectives.rft_fix.training.warmup", "1.5"]),
        ("objectives: {standard: {epsilon: 4/255}}", ["objectives.standard.epsilon", "unknown key"]),
        ("study: {name: mine, objectives: [rft]}", ["study.objectives.0", "rft", "rft_sched"]),
        ("robust_validation: {attack: apgd}", ["robust_validation.epsilon", "nothing"]),
        (
            "robust_validation: {attack: apgd, steps: 5, norm: linf, epsilon: 0, limit: 9, every: 1}",
            ["robust_validation.epsilon", "more than 0", "null"],
        ),
        ("compute: null", ["compute", "nothing", "a mapping"]),
        ("training: {batch_size: 017}", ["training.batch_size", "'017'", "a whole number"]),
        (f"data: {{split_seed: 1{'0' * 400}}}", ["data.split_seed", "0000...", "below 2**63"]),
        ("data: {pack_up_to: 1e999}", ["data.pack_up_to", "inf", "below 2**63"]),
        ('study: {name: mine, title: "a\\nb"}', ["study.title", "'a\\nb'", "one line of text"]),
        ('study: {name: "mine\\n"}', ["study.name", "'mine\\n'", "one line of text"]),
    ],
)
def test_a_mistake_is_refused_in_one_line_that_names_file_key_value_and_remedy(tmp_path, text, words):
    message = refusal(tmp_path, text if "name:" in text else NAMED + text)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", ["line 1", "valid YAML"]),
        ("study: {name: a}\nstudy: {name: b}", ["line 2", "twice"]),
        ("- 1", ["a list", "sections"]),
        ("a: &x [1]\nb: *x", ["alias"]),
        ("a: !!python/object/apply:os.system [ls]", ["line 1", "a tag"]),
        ("a: 1\nb: !!timestamp x", ["line 2", "a tag"]),
        ("a: " + "[" * 10_000, ["line 1", "more than 50"]),
    ],
)
def test_broken_yaml_names_file_and_line(tmp_path, text, words):
    message = refusal(tmp_path, text)
    assert "overlay.yaml" in message
    for word in words:
        assert word in message


def test_an_overlay_without_a_name_of_its_own_is_refused_since_it_would_overwrite_another_study(tmp_path):
    assert "study.name" in refusal(tmp_path, "training: {epochs: 1}")


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml: found no such file"):
        load_params([DEFAULT, tmp_path / "nowhere.yaml"])


def test_scalars_mean_what_people_mean(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1e-3\nb: no\nc: 2020-01-01\nd: 1\ne: .5\nf: true\ng: null\nh: 4/255\n")
    assert read_yaml(path) == {
        "a": 0.001, "b": "no", "c": "2020-01-01", "d": 1, "e": 0.5, "f": True, "g": None, "h": "4/255",
    }  # fmt: skip


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_fraction_is_the_float_nearest_to_its_value(numerator, denominator):
    assert parse_epsilon(f"{numerator}/{denominator}") == float(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    "text", ["4/0", "4/-1", "x", "1//2", "", "4/255/3", "0x4", "nan", "inf", True, None, [1]]
)
def test_what_is_no_epsilon_is_refused(text):
    with pytest.raises(ValueError, match="4/255"):
        parse_epsilon(text)


@given(st.integers(1, 60))
def test_epsilons_are_shown_as_papers_write_them_and_read_back(numerator):
    assert format_epsilon(numerator / 255) == f"{numerator}/255"
    assert parse_epsilon(format_epsilon(numerator / 255)) == numerator / 255


def paths(value, prefix=()):
    """Every place in nested params."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*prefix, key)
        yield from paths(inner, (*prefix, key))


PATHS = list(paths(load_params([DEFAULT])))
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("4/0"), st.just("$(rm x)"),
    st.just(10**400), st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PATHS), JUNK, st.sampled_from(["replace", "drop", "add"]))
def test_any_mutation_is_accepted_or_refused_in_one_line(path, junk, how):
    params = yaml.safe_load(yaml.safe_dump(load_params([DEFAULT])))
    parent = params
    for part in path[:-1]:
        parent = parent[part]
    if how == "replace":
        parent[path[-1]] = junk
    elif how == "drop":
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent[str(junk)] = junk
    else:
        parent.append(junk)
    try:
        check_params(params)
    except UserError as error:
        assert "\n" not in str(error)
        assert error.where


def test_merging_leaves_its_inputs_alone():
    base, top = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge([base, top]) == {"a": {"b": 1, "c": 2}}
    assert base == {"a": {"b": 1}}
    assert top == {"a": {"c": 2}}
