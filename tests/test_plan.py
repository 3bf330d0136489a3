"""Plans: counts against counts by hand, FLOPs against closed forms, and times in proportion to measured rates."""

import json
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from benchmarks import planned as comparison
from tests.data_support import MIRROR
from tradeoff.artifacts import FIGURES, TABLES, available
from tradeoff.errors import UserError
from tradeoff.files import write_json
from tradeoff.params import load_params
from tradeoff.plan import calibration, cost, jobs, objectives, text
from tradeoff.plan.attacks import ACCURACY, FOOLED_AFTER, RISE, evaluations
from tradeoff.plan.calibration import Calibration, Work
from tradeoff.plan.disk import check_disk
from tradeoff.plan.images import Counts, Images
from tradeoff.plan.sizes import Sizes
from tradeoff.study import Study
from workflow_scripts import plan as script

ROOT = Path(__file__).parents[1]
VIT = {
    "model": "vit_base_patch16_224",
    "arguments": {},
    "image_size": 224,
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
}
RATE = {"model": "vit_x", "strategy": "", "precision": "fp32", "flops": 1e9, "seconds": 0.01, "backbone": "b"}
DEVICE = Calibration("box", {}, 2, 5.0, 2.0, 3.0, 0.1, [RATE | {"kind": kind} for kind in calibration.KINDS])


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    return Sizes(tmp_path_factory.mktemp("cache") / "sizes.json")


@pytest.fixture
def anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def study(overlay=None):
    return Study(load_params([ROOT / "params.yaml"], overlay))


def planned(overlay, sizes):
    return list(jobs.Jobs(study(overlay), sizes).all())


def test_the_size_of_a_vit_b_is_what_the_papers_and_arithmetic_say(sizes):
    full = sizes.model(VIT, {"name": "full", "params": {}})
    lora = sizes.model(VIT, {"name": "lora", "params": {"rank": 8}})
    linear = sizes.model(VIT, {"name": "linear", "params": {}})
    # 343 MB a snapshot; trainable parameters as the protocol's table has them, in four bytes each.
    assert full.snapshot(10) == 4 * (85_798_656 + 7_690)
    assert lora.snapshot(100) == 4 * 1_256_548
    assert linear.snapshot(200) == 4 * 153_800
    # A block multiplies tokens (197 x 768) by 12 d^2 weights and has two products of tokens with tokens; the last
    # one multiplies the class token alone by its weights, and compares it with the tokens head by head.
    tokens, width = 197, 768
    block = 2 * tokens * 12 * width**2 + 4 * tokens**2 * width
    last = 2 * 12 * width**2 + 2 * 2 * 12 * tokens * width
    patches = 2 * 196 * width * 768
    head = 2 * width * 10
    assert full.forward == pytest.approx(11 * block + last + patches + head, rel=1e-3)
    assert full.train == pytest.approx(3 * full.forward, rel=0.01)
    assert lora.gradient == pytest.approx(2 * full.forward, rel=0.03)  # merged: the plain backbone
    assert linear.fixed_features
    assert linear.train < 1e-5 * full.train


def test_sizes_are_counted_once_and_then_read_without_torch(anywhere):
    script.main([str(ROOT / "params.yaml")])
    code = (
        "import sys; from workflow_scripts import plan;"
        f"plan.main([{str(ROOT / 'params.yaml')!r}]);"
        "print([name for name in ('torch', 'timm', 'datasets') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[]"


def test_the_counts_of_the_default_study_are_those_made_by_hand(sizes, anywhere):
    found = planned({}, sizes)
    by_rule = cost.grouped(found, lambda job: job.rule)
    # Seven strategies; 1,167 training images make 10 steps an epoch, 120 in all: 0, 5, ..., 20, 40, 60, 120.
    assert len(by_rule["fine_tune"]) == 7
    assert [job.snapshots for job in by_rule["fine_tune"]] == [8] * 7
    attacks = [job for job in by_rule["probe"] if job.tags["probe"] == "pgd"]
    assert [job.image_attacks for job in attacks] == [8 * 500 * 4] * 7
    assert {name: len(group) for name, group in by_rule.items()} == {
        "fetch_dataset": 3,
        "pack_dataset": 3,
        "pretrain_backbone": 1,
        "fine_tune": 7,
        "probe": 14,
        "gather": 1,
        "pareto_auc": 1,
        "write_metrics": 1,
        "write_numbers": 1,
        "figures": len(available(study().summary(), FIGURES)),
        "tables": len(available(study().summary(), TABLES)),
        "write_provenance": 1,
        "write_explorer": 1,
    }
    # In batches of two, each shift runs in the process of an attack, and takes no time to start.
    shared = [job.start for job in planned({"compute": {"probes_per_job": 2}}, sizes) if job.rule == "probe"]
    assert shared == ["job", "shared"] * 7
    full = by_rule["fine_tune"][0]
    assert full.disk == 8 * sizes.model(*_spec(full)).snapshot(10)
    packed = next(job for job in by_rule["pack_dataset"] if job.name.startswith("digits"))
    assert packed.disk == 1797 * 3 * 16 * 16


def _spec(job):
    run = study().runs[job.name]
    return run.spec["backbone_spec"], run.spec["strategy_spec"]


def test_training_work_is_images_times_epochs_and_a_linear_probe_sees_each_image_once(sizes, anywhere):
    found = {job.tags["strategy"]: job for job in planned({}, sizes) if job.rule == "fine_tune"}
    images = {work.kind: work.images for work in found["full"].work}
    assert images == {"train": 12 * 1167, "gradient": 0, "forward": 12 * 130}
    kinds = [(work.kind, work.images) for work in found["linear"].work]
    assert ("forward", 1167) in kinds


def test_an_attack_costs_at_most_every_evaluation_and_less_where_samples_are_decided(sizes):
    its = study()
    run = next(iter(its.runs.values()))
    probe = its.probe_spec("pgd") | {"epsilons": [1 / 255, 2 / 255]}
    most = evaluations(sizes, probe, run, 10, 500, ([0, 5, 100], 100), bound=True)
    # 15 steps: as many gradients, and a last look at where they led.
    assert most == (500 * 3 * 2 * 15, 500 * 3 * 2)
    gradients, _ = evaluations(sizes, probe, run, 10, 500, ([100], 100), bound=False)
    right = 500 * ACCURACY
    by_hand = (right / 2 + right / 4) * 15 + (right / 2 + right / 4) * 15 * FOOLED_AFTER
    assert gradients == pytest.approx(by_hand)
    early, _ = evaluations(sizes, probe, run, 10, 500, ([0], 100), bound=False)
    assert early == pytest.approx(gradients / ACCURACY * 0.1)
    rising, _ = evaluations(sizes, probe, run, 10, 500, ([round(100 * RISE)], 100), bound=False)
    assert rising == pytest.approx(gradients)
    last = probe | {"criterion": "final_iterate"}
    whole, _ = evaluations(sizes, last, run, 10, 500, ([100], 100), bound=False)
    assert whole == pytest.approx((right + right / 2) * 15)


def test_autoattack_is_a_cascade_of_rounds(sizes):
    stages = sizes.attack({"attack": "autoattack", "norm": "linf"}, 10)
    # APGD on the cross-entropy and nine targets, FAB on nine, Square. FAB looks again after each step.
    found = [(stage.gradients, stage.queries) for stage in stages]
    assert found == [(100, 1)] * 10 + [(100, 100)] * 9 + [(0, 5001)]


@pytest.mark.parametrize(
    ("family", "params", "expected"),
    [
        ("standard", {}, 0),
        ("rft_fix", {"steps": 7}, 7.5),
        ("rft_sched", {"steps": 7, "t1": 0.25}, 0.75 * 7.5),
        ("rft_sched", {"steps": 10, "t1": 12}, 10.5 * (1 - 12 / 50)),
    ],
)
def test_robust_objectives_add_their_attack_to_each_training_image(family, params, expected):
    assert objectives.inner_steps(family, params, epochs=50) == pytest.approx(expected)


def test_time_follows_the_most_similar_measurement_in_proportion_to_flops():
    vit = "vit_base_patch16_224"
    rates = [
        {
            "kind": "train",
            "model": vit,
            "strategy": "full",
            "precision": "fp32",
            "flops": 1e9,
            "seconds": 0.01,
        },
        {
            "kind": "train",
            "model": vit,
            "strategy": "lora",
            "precision": "fp32",
            "flops": 1e9,
            "seconds": 0.02,
        },
        {
            "kind": "train",
            "model": "resnet50",
            "strategy": "lora",
            "precision": "fp32",
            "flops": 2e9,
            "seconds": 9.0,
        },
        {
            "kind": "train",
            "model": vit,
            "strategy": "lora",
            "precision": "bf16",
            "flops": 1e9,
            "seconds": 0.004,
        },
    ]
    box = Calibration("box", {}, 1, 0.0, 0.0, 0.0, 0.0, rates)

    def seconds(model, strategy, precision, flops=2e9, kind="train"):
        return box.seconds(Work(kind, model, strategy, precision, flops, 100))

    assert seconds("vit_small_patch16_224", "lora", "fp32") == pytest.approx(100 * 0.04)
    assert seconds(vit, "full", "fp32") == pytest.approx(100 * 0.02)
    assert seconds(vit, "lora", "bf16") == pytest.approx(100 * 0.008)
    assert seconds("resnet18", "full", "fp32") == pytest.approx(100 * 9.0)
    assert box.seconds(Work("train", vit, "full", "fp32", 1e9, 0)) == 0


def test_a_limit_and_a_held_out_share_count_as_the_splits_do():
    counts = Counts({"train": 1000, "test": 300}, 10, 0)
    assert counts.used("train", 0.1, None) == 900
    assert counts.used("validation", 0.1, None) == 100
    assert counts.used("train", 0.1, 256) == 256
    official = Counts({"train": 1000, "validation": 50, "test": 300}, 10, 0)
    assert (official.used("train", 0.1, None), official.used("validation", 0.1, None)) == (1000, 50)


@pytest.mark.skipif(not MIRROR.is_dir(), reason="needs the mirror")
def test_images_of_a_mirror_are_counted_by_domain(anywhere):
    params = load_params([ROOT / "params.yaml"], {"study": {"name": "x", "datasets": ["pacs.photo"]}})
    images = Images(Study(params | {"probes": params["probes"]}, MIRROR))
    whole = images.of("pacs")
    parts = [images.of(f"pacs.{domain}") for domain in ("photo", "art_painting", "cartoon", "sketch")]
    assert whole.splits == {"train": 7992, "test": 1999}
    assert sum(part.total for part in parts) == whole.total
    assert len({part.total for part in parts}) == 4


def test_a_change_that_saves_comes_with_what_remains_and_the_best_first(sizes, anywhere):
    found = cost.savings(study(), sizes, DEVICE)
    shares = [saving.seconds for saving in found]
    assert shares == sorted(shares)
    whole = cost.total(planned({}, sizes), DEVICE)
    half = cost.total(planned({"training": {"epochs": 6.0}}, sizes), DEVICE)
    saving = next(it for it in found if it.change.startswith("training.epochs"))
    assert saving.seconds == pytest.approx(half.seconds / whole.seconds)
    last = next(it for it in found if it.change == "snapshots: last")
    assert last.flops < 0.7


def test_processes_share_a_fine_tunings_work_and_each_takes_a_devices_time(sizes, anywhere):
    def plan(processes):
        return planned({"compute": {"processes": processes}}, sizes)

    start = DEVICE.job
    for one, two in zip(plan(1), plan(2), strict=True):
        alone, shared = one.seconds(DEVICE), two.seconds(DEVICE)
        if one.rule == "fine_tune":
            assert shared - start == pytest.approx((alone - start) / 2)
            assert two.device_seconds(DEVICE) == pytest.approx(alone + start)
        else:
            assert two.device_seconds(DEVICE) == shared == alone
    runs = sum(job.rule == "fine_tune" for job in plan(1))
    together = [cost.total(plan(processes), DEVICE) for processes in (1, 2)]
    assert together[1].seconds == pytest.approx(together[0].seconds + runs * start)
    assert together[1].flops == together[0].flops


def test_what_is_done_is_subtracted(sizes, anywhere):
    its = study()
    run = next(iter(its.runs.values()))
    before = [job for job in jobs.Jobs(its, sizes).all() if not job.done]
    write_json(Path(its.root) / "runs" / run.name / "run.json", {"digest": run.digest})
    other = list(its.runs.values())[1]
    write_json(Path(its.root) / "runs" / other.name / "run.json", {"digest": "of another day"})
    after = list(jobs.Jobs(its, sizes).all())
    assert [job.name for job in after if job.done] == [run.name]
    assert len(before) == len(after)
    assert sum(job.done for job in jobs.Jobs(its, sizes, ignore_done=True).all()) == 0
    lines = text.describe("x", after, [], None, 1)
    assert next(iter(lines)) == f"x: 6 runs and {len(after) - 1} jobs to do; 1 jobs are done"


def test_a_disk_too_small_is_one_clear_line(sizes, anywhere, monkeypatch):
    found = planned({}, sizes)
    check_disk(found, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10**6}))
    with pytest.raises(UserError, match=r"disk: found 0\.0 GB free; expected 0\.\d GB") as caught:
        check_disk(found, 1)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="disk"):
        script.main(["--disk", str(ROOT / "params.yaml")])


def test_the_plan_is_printed_with_and_without_a_measured_device(anywhere, capsys, tmp_path):
    script.main([str(ROOT / "params.yaml")])
    assert "never measured" in capsys.readouterr().out
    content = {"about": {"device": "cpu"}, "at_once": 2, "job": 5.0, "artifact": 2.0, "figure": 3.0}
    content |= {"megabyte": 0.1, "rates": DEVICE.rates}
    write_json(tmp_path / calibration.FOLDER / "box.json", content)
    script.main(["--device", "box", str(ROOT / "params.yaml")])
    out = capsys.readouterr().out
    assert "hours on box, 2 jobs at once" in out
    assert "quickstart: 7 runs and" in out
    with pytest.raises(UserError, match=r"device: found 'bax'; expected one of box"):
        script.main(["--device", "bax", str(ROOT / "params.yaml")])
    (tmp_path / calibration.FOLDER / "box.json").write_text(json.dumps({"rates": []}))
    with pytest.raises(UserError, match="another form"):
        script.main(["--device", "box", str(ROOT / "params.yaml")])


def test_a_finished_study_is_compared_with_its_plan_by_the_plans_own_rules(sizes, anywhere):
    root = "results/quickstart"
    for file, rule, job, start, end in (
        (f"{root}/study.json", "study", "study", 0, 50),
        (f"{root}/probes/a.parquet", "probe", "probe a", 0, 100),
        (f"{root}/figures/a.png", "figure_a", "a", 10, 13),
        (f"{root}/figures/a.pdf", "figure_a", "a", 10, 14),  # of the same job
        (f"{root}/figures/b.png", "figure_b", "b", 10, 11),
    ):
        record = {"rule": rule, "log": [job], "input": [], "starttime": start, "endtime": end}
        write_json(comparison.METADATA / urlsafe_b64encode(file.encode()).decode(), record)
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
    found = comparison.measured(study())
    assert found == {"probe": (1, 100.0), "figures": (2, 5.0)}
    assert comparison.table({"gather": (1, 2.0), "probe": (1, 80.0)}, found)[2:] == [
        "| gather | 1 | 0 | 2.0 | 0.0 |  |",
        "| probe | 1 | 1 | 80.0 | 100.0 | -20% |",
        "| figures | 0 | 2 | 0.0 | 5.0 |  |",
        "| total | 2 | 3 | 82.0 | 105.0 | -22% |",
    ]
    planned_seconds = comparison.planned(study(), sizes, DEVICE)
    assert planned_seconds["gather"] == (1, DEVICE.artifact)
    assert planned_seconds["write_explorer"] == (1, DEVICE.figure)


def test_weights_that_are_fetched_are_also_checked_which_takes_torch(sizes, anywhere):
    weights = {"hub": "somebody/vit", "revision": "0" * 40}
    overlay = {
        "study": {"backbones": ["fetched"]},
        "backbones": {"fetched": VIT | {"resize": "squash", "weights": weights}},
    }
    assert comparison.planned(study(overlay), sizes, DEVICE)["fetch_backbone"] == (1, DEVICE.job)
