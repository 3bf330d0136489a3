"""The workflow end to end on the default data, made small: what runs, what reruns, and what never does."""

import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import time

import pytest

from tests.workflow import Project, content


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose study `tiny` has run."""
    project = Project(tmp_path_factory.mktemp("workflow") / "project")
    result = project.snakemake()
    assert result.returncode == 0, result.stderr[-5000:]
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished project that a test may change."""
    copy = Project(tmp_path / "project")
    for part in ("data", "results", ".snakemake", "logs"):
        shutil.copytree(finished.folder / part, copy.folder / part)
    return copy


def test_it_makes_every_figure_and_table_with_its_data(finished):
    results = finished.results()
    for figure in ("trajectories", "frontiers", "auc_heatmap", "epsilon_curves", "shift", "training_curves"):
        for kind in ("pdf", "png", "csv"):
            assert (results / "figures" / f"{figure}.{kind}").stat().st_size > 100
    for table in ("auc", "accuracy", "strategies"):
        for kind in ("csv", "md", "tex"):
            assert (results / "tables" / f"{table}.{kind}").stat().st_size > 50
    assert (results / "metrics.json").exists()
    assert not list(results.rglob("resume-*"))
    assert not list(results.rglob("*.part*"))


def test_a_second_time_there_is_nothing_to_do(finished):
    assert finished.planned() == {}


@pytest.mark.parametrize(
    ("target", "artifact"),
    [
        ("figure_ramps", "figure ramps"),
        ("results/tiny/figures/ramps.pdf", "figure ramps"),
        ("table_recipes", "table recipes"),
        ("results/tiny/tables/recipes.tex", "table recipes"),
        ("results/tiny/tables/recipes.html", "table recipes"),
    ],
)
def test_what_the_study_cannot_support_is_refused_in_one_line_before_anything_runs(
    tmp_path, target, artifact
):
    project = Project(tmp_path / "project")
    how = {
        "figure ramps": "give rft_sched a sweep over t1 or t2",
        "table recipes": "run `make tune`, or state",
    }
    for options in ((), ("--dry-run",)):
        refused = project.run("snakemake", "figures", target, "--configfile", "studies/tiny.yaml", *options)
        assert refused.returncode == 1
        last = refused.stderr.splitlines()[-1]
        assert last.startswith(f"error: {artifact}: found no data for it in the study tiny; expected")
        assert how[artifact] in last
        assert "Exception" not in refused.stderr
    assert not (project.folder / "results").exists()
    assert not (project.folder / "data").exists()


def test_all_figures_all_tables_and_each_of_them_are_targets_by_name(tmp_path):
    project = Project(tmp_path / "project")
    figures, tables = project.planned("figures"), project.planned("tables")
    assert {rule for rule in figures if rule.startswith("table_")} == set()
    assert {rule for rule in tables if rule.startswith("figure_")} == set()
    assert figures["figure_frontiers"] == figures["figure_shift"] == tables["table_auc"] == 1
    one = project.planned("table_strategies")
    assert [rule for rule in one if rule.startswith(("table_", "figure_"))] == ["table_strategies"]


def on_a_terminal(project, *arguments):
    """What Snakemake says on a terminal, where it is made to speak of what is at work every half second."""
    rules = project.folder / "rules/common.smk"
    text = rules.read_text()
    assert "(20, 60)" in text or "(0.5, 0.5)" in text
    rules.write_text(text.replace("(20, 60)", "(0.5, 0.5)"))
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        ["snakemake", "--configfile", "studies/tiny.yaml", "--nocolor", *arguments],
        cwd=project.folder,
        env=project.environment,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    said = b""
    try:
        while piece := os.read(terminal, 65536):
            said += piece
    except OSError:  # how Linux says that nobody writes any more
        pass
    os.close(terminal)
    assert process.wait() == 0, said.decode()[-3000:]
    return said.decode().replace("\r\n", "\n")


def test_a_terminal_hears_now_and_then_what_is_at_work_in_whole_lines(project):
    project.edit({"strategies": {"lora": {"rank": 2}}})
    said = on_a_terminal(project, "--until", "fine_tune")
    shown = re.findall(r"^(\d+) of (\d+) jobs done, at work:\n((?:    \S.*\n)+)", said, re.M)
    assert shown
    done, of, lines = shown[-1]
    assert int(done) < int(of)
    assert re.fullmatch(r"    fine_tune digits/glyph_vit/lora/standard/seed0: \S.*\n", lines)
    assert said.count("at work:") == len(shown)
    # Who asks for quiet hears nothing.
    project.edit({"strategies": {"lora": {"rank": 3}}})
    assert "at work:" not in on_a_terminal(project, "--until", "fine_tune", "--quiet")


def test_touching_files_reruns_nothing(project):
    for path in project.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)
    assert project.planned() == {}


def test_another_device_reruns_nothing(finished):
    assert finished.planned("--config", "compute={device: cpu}") == {}


def test_what_others_wait_for_goes_first_and_long_probes_before_short_ones(tmp_path):
    shown = Project(tmp_path / "project").snakemake("--dry-run").stdout
    jobs = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", shown, re.M)
    found = {}
    for rule, about in jobs:
        name = "pgd" if "pgd.parquet" in about else "shift" if "shift.parquet" in about else rule
        if rule == name or rule == "probe":
            found[name] = max(found.get(name, 0), *map(int, re.findall(r"priority: (\d+)", about)), 0)
    first = {found[rule] for rule in ("fetch_dataset", "pack_dataset", "pretrain_backbone", "fine_tune")}
    assert len(first) == 1
    assert min(first) > found["pgd"] > found["shift"] == found["study"] == 0


def test_runs_that_need_more_gpus_than_there_are_are_refused_in_one_line(tmp_path):
    project = Project(tmp_path / "project")
    (project.folder / "studies/two.yaml").write_text("study: {name: two}\ncompute: {processes: 2}\n")
    profile = ("--workflow-profile", "profiles/local-gpu", "--dry-run")
    refused = project.snakemake(*profile, study="studies/two.yaml")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "error: compute.processes: found 2, with gpu=1 (profiles/local-gpu or --resources); expected a GPU for each,"
        " gpu=2 or more; raise gpu to the number of GPUs that there are, or lower compute.processes"
    )
    for enough in ("gpu=2", "gpu=0"):  # without any, jobs compute on the CPU
        assert project.snakemake(*profile, "--resources", enough, study="studies/two.yaml").returncode == 0


def test_changing_loras_rank_reruns_lora_and_what_depends_on_it_and_nothing_else(project):
    project.edit({"strategies": {"lora": {"rank": 2}}})
    planned = project.planned()
    assert planned.pop("fine_tune") == 1
    assert planned.pop("probe") == 2
    assert set(planned) == {
        *("all", "study", "gather", "pareto_auc", "write_metrics", "write_numbers", "write_explorer"),
        "write_provenance",
    } | {rule for rule in planned if rule.startswith(("figure_", "table_"))}
    listed = project.snakemake("--dry-run").stdout
    runs = {line.split("run=")[1].split(",")[0] for line in listed.splitlines() if "wildcards: run=" in line}
    assert runs == {"digits/glyph_vit/lora/standard/seed0"}


def test_a_new_threat_never_retrains(project):
    project.edit(
        {"probes": {"weak": {"kind": "attack", "attack": "fgsm", "norm": "linf", "epsilons": ["2/255"]}}}
    )
    project.edit({"study": {"probes": ["pgd", "shift", "weak"]}})
    planned = project.planned()
    assert "fine_tune" not in planned
    assert planned["probe"] == 2


def test_changing_a_figures_code_reruns_that_figure_and_the_page_that_shows_it(project):
    path = project.folder / "src" / "tradeoff" / "artifacts" / "figures" / "frontiers.py"
    path.write_text(path.read_text() + "\nNEW = 1\n")
    assert project.planned() == {
        "all": 1,
        "figure_frontiers": 1,
        "write_explorer": 1,
        "write_provenance": 1,
    }


def test_comments_and_docstrings_rerun_nothing(project):
    path = project.folder / "src" / "tradeoff" / "training.py"
    path.write_text(
        path.read_text().replace('"""The training loop', '"""THE training loop') + "\n# a comment\n"
    )
    assert project.planned() == {}


def test_the_loops_code_reruns_every_run(project):
    path = project.folder / "src" / "tradeoff" / "training.py"
    path.write_text(path.read_text() + "\nNEW = 1\n")
    planned = project.planned()
    assert planned["pretrain_backbone"] == 1
    assert planned["fine_tune"] == 2


def test_another_study_does_not_disturb_the_first(project):
    before = content(project.results())
    other = project.folder / "studies" / "other.yaml"
    text = (project.folder / "studies" / "tiny.yaml").read_text()
    other.write_text(text.replace("name: tiny", "name: other"))
    project.edit({"study": {"strategies": ["linear"], "probes": ["shift"]}}, study="studies/other.yaml")
    planned = project.planned(study="studies/other.yaml")
    assert planned["fine_tune"] == 1
    assert "fetch_dataset" not in planned
    assert content(project.results()) == before
    assert project.planned() == {}


def test_a_killed_run_continues_from_its_last_snapshot_and_ends_with_the_same_bits(finished, project):
    """SIGKILL to the fine-tuning job as soon as a snapshot after the first is there."""
    expected = content(finished.results())
    run = project.results() / "runs" / "digits" / "glyph_vit" / "lora" / "standard" / "seed0"
    shutil.rmtree(run)
    shutil.rmtree(project.results() / "probes" / "digits" / "glyph_vit" / "lora")
    for folder in ("tables", "figures"):  # Snakemake makes missing files again only for what is downstream
        shutil.rmtree(project.results() / folder)
    killed = False
    process = subprocess.Popen(
        ["snakemake", "--configfile", "studies/tiny.yaml"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not killed:
        if len(list(run.glob("resume-*/part-*.safetensors"))) >= 2:
            jobs = subprocess.run(
                ["pgrep", "-f", "workflow_scripts.fine_tune"], capture_output=True, text=True
            )
            for job in jobs.stdout.split():
                if os.path.realpath(f"/proc/{job}/cwd") == str(project.folder):
                    os.kill(int(job), signal.SIGKILL)
                    killed = True
        time.sleep(0.005)
    assert process.wait() != 0
    assert killed
    assert not (run / "run.json").exists()
    parts = len(list(run.glob("resume-*/part-*.safetensors")))
    assert parts >= 2
    result = project.snakemake()
    assert result.returncode == 0, result.stderr[-3000:]
    log = (
        project.folder
        / "logs"
        / "tiny"
        / "fine_tune"
        / "digits"
        / "glyph_vit"
        / "lora"
        / "standard"
        / "seed0.log"
    )
    assert "continuing after step" in log.read_text()
    assert content(project.results()) == expected


def test_a_planted_stale_run_is_refused(project):
    """Results of another configuration, copied over: the collecting rule names the run."""
    runs = project.results() / "runs" / "digits" / "glyph_vit"
    shutil.copy(runs / "linear/standard/seed0/run.json", runs / "lora/standard/seed0/run.json")
    result = project.run(
        "python",
        "-m",
        "workflow_scripts.gather",
        "--study",
        "results/tiny/study.json",
        "--results",
        "results/tiny",
    )
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "run digits/glyph_vit/lora/standard/seed0: found the digest" in result.stderr
    # Nor does DVC record it: its stage of the runs ends with this check.
    track = ("python", "-m", "workflow_scripts.track", "params.yaml", "studies/tiny.yaml")
    assert project.run(*track).returncode == 0
    result = project.run(*track, "--check", "--runs")
    assert result.returncode == 1
    assert "run digits/glyph_vit/lora/standard/seed0: found the digest" in result.stderr


def test_verify_names_a_flipped_bit_and_its_command_mends_it_and_reruns_nothing_else(project):
    verify = ("python", "-m", "workflow_scripts.verify", "params.yaml", "studies/tiny.yaml")
    assert project.run(*verify).returncode == 0
    before = content(project.results())
    outcomes = project.results() / "probes/digits/glyph_vit/linear/standard/seed0/shift.outcomes.safetensors"
    damaged = bytearray(outcomes.read_bytes())
    damaged[-1] ^= 1
    outcomes.write_bytes(damaged)
    result = project.run(*verify)
    assert result.returncode == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("error:")]
    assert "shift.outcomes.safetensors: found sha256" in line
    assert project.run(*shlex.split(line.split("make it again with: ")[1])).returncode == 0
    assert project.run(*verify).returncode == 0
    assert content(project.results()) == before
    # How long the probe took is new, and the page shows it.
    assert set(project.planned()) <= {"all", "write_explorer", "write_provenance"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"strategys": {}}, ["studies/tiny.yaml: strategys", "unknown key", "strategies"]),
        ({"training": {"epochs": -1}}, ["training.epochs", "-1"]),
        ({"probes": {"pgd": {"epsilons": ["4/0"]}}}, ["probes.pgd.epsilons.0", "4/0"]),
        ({"study": {"strategies": ["lorra"]}}, ["study.strategies.0", "lorra", "lora"]),
        ({"study": {"datasets": ["digitz"]}}, ["digitz"]),
        ({"study": {"datasets": ["cifar10"]}, "data": {"mirror": "nowhere"}}, ["nowhere"]),
    ],
)
def test_bad_params_are_refused_in_one_line_before_anything_runs(project, change, words):
    project.edit(change)
    result = project.snakemake()
    assert result.returncode != 0
    lines = [line for line in (result.stderr + result.stdout).splitlines() if "error:" in line]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in result.stderr


def test_a_truncated_array_is_named_and_earlier_results_stay(project):
    images = project.folder / "data" / "packed" / "digits@16-squash" / "images.npy"
    with open(images, "rb+") as file:
        file.truncate(1000)
    before = content(project.results() / "figures")
    project.edit({"strategies": {"lora": {"rank": 2}}})
    run = project.snakemake("--until", "fine_tune", "--rerun-triggers", "params")
    assert run.returncode != 0
    assert "images.npy" in run.stderr + run.stdout
    assert content(project.results() / "figures") == before
