"""A study resolves into exactly the runs and probes that its params ask for."""

import itertools
import re
from pathlib import Path

import pytest

from tradeoff import published
from tradeoff.attacks import losses
from tradeoff.errors import UserError
from tradeoff.params import load_params
from tradeoff.params.yaml_files import merge
from tradeoff.study import Study
from tradeoff.study_checks import ENOUGH_CLASSES
from tradeoff.variants import variants

DEFAULT = Path(__file__).parents[1] / "params.yaml"


def study(overlay=None):
    return Study(merge([load_params([DEFAULT]), overlay or {}]))


def test_runs_are_the_product_of_what_the_study_lists():
    chosen = {"strategies": ["full", "lora"], "seeds": [0, 1, 2], "datasets": ["digits", "typeset_digits"]}
    runs = study({"study": chosen}).runs
    expected = itertools.product(["digits", "typeset_digits"], ["full", "lora"], [0, 1, 2])
    assert set(runs) == {f"{d}/glyph_vit/{s}/standard/seed{k}" for d, s, k in expected}


def test_runs_may_be_left_out_by_family_variant_or_seed():
    chosen = {"strategies": ["full", "lora"], "seeds": [0, 1, 2]}
    sweep = {"strategies": {"lora": {"sweep": {"rank": [4, 8]}}}}
    entries = [{"strategy": ["lora"], "seed": [1, 2]}, {"strategy": ["lora-rank4"]}, {"seed": [2]}]
    names = {
        (run.strategy, run.seed)
        for run in study(sweep | {"study": chosen | {"leave_out": entries}}).runs.values()
    }
    assert names == {("full", 0), ("full", 1), ("lora-rank8", 0)}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"strategy": ["lorra"]}, "study.leave_out: strategy: found 'lorra'"),
        ({"dataset": ["digit"]}, "study.leave_out: dataset: found 'digit'"),
        ({"backbone": ["vit"]}, "study.leave_out: backbone: found 'vit'"),
        ({"seed": [7]}, "study.leave_out: seed: found 7; expected one of 0"),
        ({"objective": ["standard"]}, "every run is left out"),
    ],
)
def test_leaving_out_what_does_not_exist_or_everything_is_refused(entry, words):
    with pytest.raises(UserError, match=words):
        study({"study": {"leave_out": [entry]}})


def test_a_cell_without_the_first_seed_is_tuned_all_the_same():
    cells = study({"study": {"seeds": [0, 1], "leave_out": [{"strategy": ["lora"], "seed": [0]}]}}).tuning()
    assert "digits/glyph_vit/lora" in cells


def test_a_strategys_own_training_settings_override_the_shared_ones():
    runs = study().runs
    full = runs["digits/glyph_vit/full/standard/seed0"].spec["training"]
    lora = runs["digits/glyph_vit/lora/standard/seed0"].spec["training"]
    assert full["learning_rate"] != lora["learning_rate"]
    assert full["epochs"] == lora["epochs"]


def test_a_sweep_expands_into_one_named_variant_for_each_combination():
    section = {"rank": 8, "alpha": 8, "sweep": {"rank": [1, 4], "targets": [["q"], ["q", "v"]]}}
    found = list(variants("lora", section))
    assert [v.name for v in found] == [
        "lora-rank1-targetsq", "lora-rank1-targetsq_v", "lora-rank4-targetsq", "lora-rank4-targetsq_v",
    ]  # fmt: skip
    assert [v.params["rank"] for v in found] == [1, 1, 4, 4]
    assert all(v.params["alpha"] == 8 and v.family == "lora" and "sweep" not in v.params for v in found)
    assert found[3].label == "rank 4, targets q+v"


def objectives_overlay(objectives, **rest):
    chosen = {"strategies": ["full"], "objectives": list(objectives)}
    return {"study": chosen, "objectives": {k: v for k, v in objectives.items() if v}} | rest


def test_a_sweep_over_an_objective_makes_a_run_for_each_point():
    sweep = {"epsilon": ["4/255", "8/255"], "t1": [0, 12]}
    overlay = objectives_overlay({"standard": {}, "rft_sched": {"t2": 37, "sweep": sweep}})
    runs = study(overlay).summary()["runs"]
    assert [run["objective"] for run in runs] == [
        "standard",
        "rft_sched-epsilon4_255-t10",
        "rft_sched-epsilon4_255-t112",
        "rft_sched-epsilon8_255-t10",
        "rft_sched-epsilon8_255-t112",
    ]
    assert [run["objective_family"] for run in runs] == ["standard", *["rft_sched"] * 4]
    assert [run["objective_epsilon"] for run in runs] == [0.0, *[4 / 255] * 2, *[8 / 255] * 2]
    made = study(overlay).runs["digits/glyph_vit/full/rft_sched-epsilon8_255-t112/seed0"]
    assert made.spec["objective_spec"] == {
        "name": "rft_sched", "params": {"epsilon": 8 / 255, "t1": 12, "t2": 37}
    }  # fmt: skip
    assert len({run["digest"] for run in runs}) == 5


def test_an_objectives_training_settings_override_the_strategys():
    own = {"training": {"epochs": 3, "learning_rate": 0.25}}
    runs = study(objectives_overlay({"standard": {}, "rft_fix": own})).runs
    standard, robust = (
        runs[f"digits/glyph_vit/full/{name}/seed0"].spec["training"] for name in ("standard", "rft_fix")
    )
    assert robust == standard | own["training"]
    assert standard["epochs"] != 3


def test_an_epsilon_written_in_another_way_is_the_same_run():
    one, other = (study(objectives_overlay({"rft_fix": {"epsilon": e}})) for e in ("4/255", 4 / 255))
    assert [run.digest for run in one.runs.values()] == [run.digest for run in other.runs.values()]


def test_robust_validation_is_at_the_objectives_epsilon_or_at_a_stated_one():
    def measured(epsilon):
        validation = {
            "attack": "apgd",
            "steps": 10,
            "norm": "linf",
            "epsilon": epsilon,
            "limit": 256,
            "every": 1,
        }
        runs = study(objectives_overlay({"standard": {}, "rft_fix": {}}, robust_validation=validation)).runs
        specs = [run.spec["robust_validation"] for run in runs.values()]
        assert all(spec is None or spec == validation | {"epsilon": spec["epsilon"]} for spec in specs)
        return [spec and spec["epsilon"] for spec in specs]

    assert measured(None) == [None, 4 / 255]
    assert measured("8/255") == [8 / 255, 8 / 255]
    assert {run.spec["robust_validation"] for run in study().runs.values()} == {None}


@pytest.mark.parametrize(
    ("times", "epochs", "refused"),
    [
        ({"t1": 0.5, "t2": 0.25}, 12, True),
        ({"t1": 0.9, "t2": 5}, 12, True),  # a share and a number of epochs
        ({"t1": 0.9, "t2": 11}, 12, False),
        ({"t1": 0.5, "t2": 0.5}, 12, False),  # a hard switch
        ({"t1": 12, "t2": 0.9}, 12, True),
    ],
)
def test_a_ramp_that_ends_before_it_starts_is_refused(times, epochs, refused):
    overlay = objectives_overlay({"rft_sched": times}, training={"epochs": epochs})
    if refused:
        with pytest.raises(UserError, match=r"objectives\.rft_sched\.t2: found .*t1 = .*12 epochs"):
            study(overlay)
    else:
        assert study(overlay).runs


@pytest.mark.parametrize(("name", "times"), [("rft_switch", {"at": 13}), ("rft_sched", {"t1": 13, "t2": 14})])
def test_an_attack_that_would_start_after_the_training_is_refused(name, times):
    with pytest.raises(UserError, match=r"found 13, with 12 epochs"):
        study(objectives_overlay({name: times}, training={"epochs": 12}))
    assert study(objectives_overlay({name: times}, training={"epochs": 14})).runs


@pytest.mark.parametrize("judge", ["probe", "robust_validation"])
@pytest.mark.parametrize("trained", ["linf", "l2"])
@pytest.mark.parametrize("judged", ["linf", "l2"])
def test_a_model_trained_in_one_norm_is_not_judged_in_another(judge, trained, judged):
    validation = {"attack": "apgd", "steps": 2, "epsilon": None, "limit": 8, "every": 1}
    norms = {"probe": trained, "robust_validation": trained} | {judge: judged}
    overlay = objectives_overlay(
        {"standard": {}, "rft_fix": {"norm": trained}},
        probes={"pgd": {"norm": norms["probe"]}},
        robust_validation=validation | {"norm": norms["robust_validation"]},
    )
    if trained == judged:
        assert study(overlay).runs
    else:
        place = "probes.pgd.norm" if judge == "probe" else "robust_validation.norm"
        with pytest.raises(UserError, match=rf"{place}: found {judged}.*{trained}.*objectives.rft_fix"):
            study(overlay)


def test_without_a_robust_objective_any_norm_will_do():
    assert study({"probes": {"pgd": {"norm": "l2"}}}).runs


def test_the_published_ramps_can_be_swept_as_the_study_file_says():
    sweeps = [([0, 5, 12, 25], [25, 30, 37, 50]), ([0, 5, 12], [12]), ([5], [5])]
    swept = set()
    for starts, ends in sweeps:
        section = {"sweep": {"t1": starts, "t2": ends}}
        runs = study(objectives_overlay({"rft_sched": section}, training={"epochs": 50})).runs.values()
        swept |= {
            tuple(run.spec["objective_spec"]["params"][name] / 50 for name in ("t1", "t2")) for run in runs
        }
    table = published.schedule_results()
    scheduled = set(zip(table["t1"], table["t2"], strict=True)) - {(0, 0)}  # that one is rft_fix
    assert scheduled <= swept


def test_changing_one_strategy_changes_the_digests_of_its_runs_and_probes_alone():
    before, after = study().summary()["runs"], study({"strategies": {"lora": {"rank": 2}}}).summary()["runs"]
    for old, new in zip(before, after, strict=True):
        changed = old["strategy"] == "lora"
        assert (old["digest"] != new["digest"]) == changed
        assert all((old["probes"][name] != new["probes"][name]) == changed for name in old["probes"])


def test_a_changed_threat_changes_its_probes_and_no_run():
    before, after = study().summary()["runs"], study({"probes": {"pgd": {"steps": 3}}}).summary()["runs"]
    for old, new in zip(before, after, strict=True):
        assert old["digest"] == new["digest"]
        assert old["probes"]["pgd"] != new["probes"]["pgd"]
        assert old["probes"]["shift"] == new["probes"]["shift"]


def test_a_domain_is_tested_on_itself_first_and_then_on_every_other():
    pacs = study({"study": {"datasets": ["pacs.photo"]}})
    expected = ["pacs.photo", "pacs.art_painting", "pacs.cartoon", "pacs.sketch"]
    assert pacs.test_sets("pacs.photo", "shift") == expected
    assert "pacs" in pacs.datasets()
    assert pacs.test_sets("pacs.photo", "pgd") == ["pacs.photo"]


def test_a_dataset_with_nowhere_to_shift_to_has_no_shift_probe():
    other = study({"study": {"datasets": ["cifar10"]}})
    assert {tuple(other.probes_of(run)) for run in other.runs.values()} == {("pgd",)}


def test_data_of_a_study_includes_upstream_and_shifted_sets():
    assert study().datasets() == ["digits", "glyphs", "typeset_digits"]


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"study": {"datasets": ["digitz"]}}, ["digitz", "digits"]),
        ({"study": {"datasets": ["pacs.photos"]}}, ["photos", "sketch"]),
        ({"backbones": {"glyph_vit": {"model": "gru_base"}}}, ["gru_base"]),
        ({"backbones": {"glyph_vit": {"model": "resnet50"}}}, ["adapter on backbone glyph_vit", "bitfit"]),
    ],
)
def test_what_cannot_run_is_refused_before_anything_does(overlay, words):
    with pytest.raises(UserError) as caught:
        study(overlay)
    for word in words:
        assert word in str(caught.value)


def test_runs_know_how_their_backbone_was_pretrained_and_probes_how_many_images_they_test():
    def digests(overlay, kind):
        runs = study(overlay).summary()["runs"]
        return [run["digest"] if kind == "run" else run["probes"]["pgd"] for run in runs]

    assert all(
        a != b
        for a, b in zip(digests({}, "run"), digests({"pretraining": {"epochs": 3}}, "run"), strict=True)
    )
    fewer = {"data": {"limit": {"test": 17}}}
    assert digests({}, "run") == digests(fewer, "run")
    assert all(a != b for a, b in zip(digests({}, "pgd"), digests(fewer, "pgd"), strict=True))


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        (
            {"probes": {"shift": {"test_sets": {"digitz": ["typeset_digits"]}}}},
            ["probes.shift.test_sets", "digitz"],
        ),
        (
            {"probes": {"shift": {"test_sets": {"digits": ["typeset"]}}}},
            ["probes.shift.test_sets.digits", "typeset"],
        ),
        (
            {"tradeoff": {"headline": {"probe": "pdg", "epsilon": "4/255"}}},
            ["tradeoff.headline.probe", "pdg", "pgd"],
        ),
        (
            {"tradeoff": {"headline": {"probe": "pgd", "epsilon": "5/255"}}},
            ["tradeoff.headline.epsilon", "5/255"],
        ),
        (
            {"probes": {"pgd": {"criterion": "final_iterate", "shortcuts": {"warm_start": True}}}},
            ["probes.pgd.criterion", "final_iterate", "any_iterate with warm_start"],
        ),
        (
            {"probes": {"pgd": {"targets": 3, "shortcuts": {"early_accept": True}}}},
            ["probes.pgd.targets", "0 with early_accept"],
        ),
    ],
)
def test_a_reference_to_what_is_not_there_is_refused(overlay, words):
    with pytest.raises(UserError) as caught:
        study(overlay)
    for word in words:
        assert word in str(caught.value)


def test_weights_that_are_nowhere_are_refused_before_anything_runs():
    params = load_params([DEFAULT])
    params["backbones"]["glyph_vit"]["weights"] = {"file": "nowhere.safetensors"}
    with pytest.raises(UserError, match=r"backbones\.glyph_vit\.weights\.file: found no file at .*nowhere"):
        Study(params)


def few_classes(folder, number, **probe):
    for split, name in itertools.product(("train", "test"), range(number)):
        (folder / split / f"class{name}").mkdir(parents=True)
    return {
        "study": {"datasets": ["leaves"], "probes": ["strong"]},
        "datasets": {"leaves": {"folder": str(folder)}},
        "probes": {"strong": {"kind": "attack", "epsilons": ["4/255"], **probe}},
        "tradeoff": {"headline": None},
    }


def test_an_attack_whose_loss_wants_more_classes_than_the_dataset_has_is_refused_before_anything_runs(
    tmp_path,
):
    words = (
        "probes.strong on dataset leaves: found a model of 3 classes; expected at least 4 for the loss dlr;"
        " use apgd with the loss ce, fab or square instead"
    )
    with pytest.raises(UserError, match=words):
        study(few_classes(tmp_path / "three", 3, attack="autoattack"))
    assert study(few_classes(tmp_path / "four", 4, attack="autoattack")).runs
    assert study(few_classes(tmp_path / "two", 2, attack="apgd", loss="ce")).runs


def test_all_losses_are_defined_for_the_classes_from_which_on_no_attack_is_checked():
    assert max(losses.FEWEST_CLASSES.values()) == ENOUGH_CLASSES


def digests(compute):
    asked = study({"compute": compute})
    return [(run.digest, asked.probe_digest(run, "pgd")) for run in asked.runs.values()]


def test_where_a_result_is_computed_is_no_part_of_its_identity_and_how_it_is_computed_is():
    assert digests({"device": "cpu"}) == digests({"device": "cuda:1"}) == digests({})
    assert study({"compute": {"device": "cpu"}}).summary() == study().summary()
    for other in ({"threads": 2}, {"deterministic": True}):
        assert not set(sum(digests(other), ())) & set(sum(digests({}), ()))


def test_a_study_states_the_code_that_its_results_must_carry():
    runs = {run["strategy"]: run for run in study().summary()["runs"]}
    codes = {run["code"] for run in runs.values()}
    assert len(codes) == len(runs)  # each strategy's file counts for its own runs
    assert all(re.fullmatch("[0-9a-f]{16}", code) for code in codes)
    assert runs["lora"]["probe_code"].keys() == runs["lora"]["probes"].keys()


def test_the_summary_has_the_titles_of_all_its_datasets_those_of_the_user_s_own_included(
    tmp_path: Path,
) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
    own = {"folder": str(tmp_path), "title": "Leaves of 2024"}
    made = study({"study": {"datasets": ["digits", "leaves"]}, "datasets": {"leaves": own}})
    titles = made.summary()["titles"]
    assert set(titles) == set(made.datasets())
    assert (titles["leaves"], titles["typeset_digits"]) == ("Leaves of 2024", "Typeset digits")
