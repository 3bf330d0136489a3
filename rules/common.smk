"""Names and look-ups that the rules share. Whatever needs thought is in the tested library."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

from tradeoff.attempts import forget
from tradeoff.probe_code import probe_code
from tradeoff.data.registry import announce_mirror, mirror_folder
from tradeoff.errors import UserError
from tradeoff.files import canonical_json, digest_of
from tradeoff.fingerprint import fingerprint as fingerprint_of
from tradeoff.memory import recall
from tradeoff.params import load_params
from tradeoff.plan.requests import Requests
from tradeoff.script import RUNTIME
from tradeoff.seals import write_sealed
from tradeoff.status import glance, now_and_then
from tradeoff.study import Study
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.resources import Resources
from snakemake.settings.enums import Quietness
from workflow_scripts import at_work


def load_study():
    """The study of params.yaml with the overlays given by --configfile and --config."""
    settings = workflow.config_settings
    params = load_params(
        ["params.yaml", *settings.configfiles], overrides=settings.config
    )
    return Study(params, mirror_folder(params["data"]["mirror"]))


def recall_records():
    """What DVC brought comes with the records of what made it: put them back before Snakemake asks for them."""
    memories = [*Path("data/memory").glob("*"), *Path(STUDY.root, "memory").glob("*")]
    try:
        unknown = recall(memories)
    except UserError as error:
        raise SystemExit(f"error: {error}")
    for file in unknown:
        print(f"{file}: not as it was recorded, so it is made again", file=sys.stderr)


def keep_runtime():
    """Let jobs of this machine end themselves after the longest `runtime` given: Snakemake leaves it to clusters."""
    minutes = longest_runtime()
    if minutes and not workflow.non_local_exec:
        os.environ[RUNTIME] = str(minutes)


def longest_runtime():
    """In minutes; None unless a default is given, and numbers are all that is. What rules ask for does not count."""
    settings = workflow.resource_settings
    given = [settings.default_resources or {}, *settings.overwrite_resources.values()]
    runtimes = [Resources.from_mapping(each).get("runtime") for each in given]
    if any(each.is_evaluable() for each in runtimes) or runtimes[0].value is None:
        return None
    return max(each.value for each in runtimes if each.value is not None)


try:
    STUDY = load_study()
    # What jobs ask a cluster for; on one machine it has no effect.
    REQUESTS = Requests(STUDY)
except UserError as error:
    raise SystemExit(f"error: {error}")

# `lookup(..., within=config)` sees the same params; jobs find the mirror where the workflow did.
config = STUDY.params
announce_mirror(STUDY.mirror)


wildcard_constraints:
    dataset=r"[a-z][a-z0-9_]*",
    backbone=r"[a-z][a-z0-9_]*",
    format=r"\d+-(squash|crop)(-bicubic)?",
    run=r"[^/]+/[^/]+/[^/]+/[^/]+/seed\d+",
    probe=r"[a-z][a-z0-9_]*",


def enter_study():
    try:
        free = at_work.enter(STUDY.name)
    except UserError as error:
        raise SystemExit(f"error: {error}")
    if free:
        recall_records()


def check_gpus():
    """Refuse runs that need more GPUs at once than Snakemake was given: it would count fewer for them, and begin."""
    given = workflow.global_resources.get("gpu").value
    needed = GPUS * PROCESSES
    if given and given < needed:
        error = UserError(
            "compute.processes",
            f"{needed}, with gpu={given} (profiles/local-gpu or --resources)",
            f"a GPU for each, gpu={needed} or more",
            "raise gpu to the number of GPUs that there are, or lower compute.processes",
        )
        raise SystemExit(f"error: {error}")


def begin_study():
    try:
        at_work.begin(STUDY.name)
    except UserError as error:
        raise WorkflowError(f"error: {error}")


def warn_of_requests():
    """Of jobs for a cluster that ask for more than they need."""
    warning = REQUESTS.warning() if workflow.non_local_exec else ""
    if warning:
        print(warning, file=sys.stderr)


def show_progress():
    """On the terminal of a local run: now and then, what is at work. Jobs themselves write to their logs alone."""
    quiet = set(workflow.output_settings.quiet or ())
    if workflow.non_local_exec or quiet & {Quietness.PROGRESS, Quietness.ALL}:
        return
    since = {}

    def say():
        jobs = list(workflow.scheduler.running)
        for job in sorted(jobs, key=lambda job: job.jobid):
            since.setdefault(job, len(since))
        at_work = [
            (f"{job.rule} {'/'.join(job.wildcards)}".strip(), [*map(Path, job.log)])
            for job in sorted(jobs, key=since.get)
            if not job.is_group() and job.log
        ]
        # Through Snakemake's own log, so that lines stay whole.
        if text := glance(
            at_work, workflow.scheduler.finished_jobs, len(workflow.dag), STUDY.name
        ):
            logger.info(text)

    # A file or a pipe has no use for many.
    now_and_then(say, *((20, 60) if sys.stderr.isatty() else (300, 300)))


def explain(logs):
    """Say what it means when a job ends without a word of its own."""
    if any("exit status 137" in Path(log).read_text() for log in logs):
        print(
            "error: a job was killed (SIGKILL), most often by the kernel for want of memory: let fewer jobs run at once"
            " (--cores), or lower compute.probe_batch or training.batch_size; the same command goes on where it stopped",
            file=sys.stderr,
        )


def refusal(kind, artifact, how):
    """An input that ends the workflow with one line once something asks for it. how: to have the artifact."""

    def refuse(wildcards):
        error = UserError(
            f"{kind} {artifact}",
            f"no data for it in the study {STUDY.name}",
            "a study that has it",
            how,
        )
        # No exception that Snakemake would wrap in lines of its own, or take for a rule to leave out.
        raise SystemExit(f"error: {error}")

    return refuse


def fingerprint(script, *modules):
    """Of a script in workflow_scripts, and of modules it loads by a name from a registry."""
    return fingerprint_of(f"workflow_scripts.{script}", *modules)


def packed_files(folder):
    """What stands for a packed dataset: its manifest, which names the checksums of the rest."""
    return f"{folder}/manifest.json"


def run_of(wildcards):
    return STUDY.runs[wildcards.run]


def probe_data(wildcards):
    """The packed folders of a probe's test sets, by name."""
    run = run_of(wildcards)
    return {
        name: STUDY.packed(name, run.backbone)
        for name in STUDY.test_sets(run.dataset, wildcards.probe)
    }


def code_of_probe(wildcards):
    return probe_code(run_of(wildcards).spec, config["probes"][wildcards.probe])


def task_data(wildcards):
    """The packed folders that a task's measurement reads, by dataset reference."""
    return STUDY.task_data(f"{wildcards.dataset}/{wildcards.backbone}")


def probe_job(run, name):
    """One probe of a run, for a job that does several: the arguments of `workflow_scripts.probe`, and its log."""
    of_probe = SimpleNamespace(run=run, probe=name)
    table = f"{STUDY.root}/probes/{run}/{name}"
    weights = f"{STUDY.root}/backbones/{run_of(of_probe).backbone}/weights.safetensors"
    arguments = [
        f"--probe={canonical_json(STUDY.probe_spec(name))}",
        f"--digest={STUDY.probe_digest(run_of(of_probe), name)}",
        f"--code={code_of_probe(of_probe)}",
        f"--run={STUDY.root}/runs/{run}",
        f"--weights={weights}",
        *[
            f"--data={reference}={folder}"
            for reference, folder in probe_data(of_probe).items()
        ],
        f"--output={table}.parquet",
        f"--outcomes={table}.outcomes.safetensors",
        f"--cost={table}.cost.json",
    ]
    return {"arguments": arguments, "log": f"logs/{STUDY.name}/probe/{run}/{name}.log"}


def names_only(names):
    """A wildcard constraint that admits these names and nothing else."""
    return "|".join(sorted(names)) or "(?!)"


# What other jobs wait for goes first, then the longest: begun last, it would leave cores idle at the end.
AWAITED, LONG, SHORT = 2, 1, 0


def priority_of_probes(names):
    """Probes that look at every image just once are short."""
    kinds = {config["probes"][name]["kind"] for name in names}
    return SHORT if kinds <= {"clean", "shift"} else LONG


def packing_processes(dataset):
    """Generated datasets are small: several processes would only wait for all cores to be free."""
    return 1 if STUDY.source_kind(dataset) == "generated" else 8


# ASSUME: a job uses as many threads as params say, whatever --cores is, since results depend on it.
THREADS = config["compute"]["threads"]
PROCESSES = config["compute"]["processes"]
# A resource of jobs, not one of their params: another device has to rerun nothing.
DEVICE = config["compute"]["device"]
GPUS = 0 if DEVICE == "cpu" else 1


def megabytes(wildcards, attempt):
    return REQUESTS.megabytes(run_of(wildcards), attempt)
