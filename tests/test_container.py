"""The container files: one base and the same steps in both, and an install step that gives all that a study needs."""

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workflow import Project

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "container/Dockerfile").read_text()
DEFINITION = (ROOT / "container/tradeoff.def").read_text()
PREFIX = "/opt/tradeoff"
PLAN = ("snakemake", "--configfile", "studies/tiny.yaml", "--dry-run")
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
# What pip and uv say without a network; a lock that cannot be satisfied says something else.
UNREACHABLE = r"NewConnectionError|ConnectTimeoutError|NameResolutionError|client error \(Connect\)|dns error"


def instructions(name: str) -> list[str]:
    """What the Dockerfile says after a word such as RUN, continued lines joined."""
    whole = DOCKERFILE.replace("\\\n", " ")
    return [" ".join(line.split()[1:]) for line in whole.splitlines() if line.split()[:1] == [name]]


def section(name: str) -> list[str]:
    """The lines of a section of the Apptainer definition."""
    found = re.search(rf"^%{name}\n((?:    .*\n)+)", DEFINITION, re.M)
    assert found is not None
    return [line.strip() for line in found[1].splitlines()]


def test_both_have_one_pinned_base():
    (base,) = instructions("FROM")
    name, _, digest = base.partition("@")
    assert re.fullmatch(r"debian:bookworm-\d{8}-slim", name)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert f"From: debian@{digest}\n" in DEFINITION


def test_both_take_the_same_steps_from_the_same_files():
    steps = [step.strip() for run in instructions("RUN") for step in run.split("&&")]
    assert [step for step in section("post") if not step.startswith("cd ")] == steps
    (copied,) = instructions("COPY")
    files = copied.split()[:-1]
    assert [line.split()[0] for line in section("files")] == files
    assert all((ROOT / file).is_file() for file in files)
    kept = [
        line[1:] for line in (ROOT / "container/Dockerfile.dockerignore").read_text().split() if line != "*"
    ]
    assert kept == files


def test_both_set_the_environment_of_make():
    (docker,) = instructions("ENV")
    (apptainer,) = section("environment")
    assert set(apptainer.split()[1:]) == set(docker.split()) - {"HOME=/tmp", "LOGNAME=tradeoff"}
    assert "OMP_WAIT_POLICY := PASSIVE" in (ROOT / "Makefile").read_text()


def test_a_user_without_a_name_has_one_and_a_home():
    """As in `docker run --user 1234:1234`: Snakemake and torch ask who it is, and the image does not know."""
    (docker,) = instructions("ENV")
    given = dict(word.split("=", 1) for word in docker.split())
    nobody = max(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid < 60_000) + 1
    asked = "print(getpass.getuser(), os.path.expanduser('~'))"
    environment = {"HOME": given["HOME"], "LOGNAME": given["LOGNAME"]}
    if os.geteuid() == 0:
        said = subprocess.run(
            ["python3", "-c", f"import getpass, os; os.setuid({nobody}); {asked}"],
            env=environment | {"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
        )
        assert said.stdout.split() == [given["LOGNAME"], given["HOME"]], said.stderr
    else:
        pytest.skip("only root can become somebody whom nobody knows")


def test_nothing_runs_as_root():
    (user,) = instructions("USER")
    assert user.split(":")[0].isdigit() and int(user.split(":")[0]) > 0


def test_jobs_run_in_the_image_that_the_definition_says_how_to_build():
    (image,) = re.findall(r'^container: "(.+)"$', (ROOT / "Snakefile").read_text(), re.M)
    assert f"apptainer build {image} container/tradeoff.def\n" in DEFINITION


def test_uv_is_that_of_the_makefile():
    (version,) = re.findall(r"^UV_VERSION := (.+)$", (ROOT / "Makefile").read_text(), re.M)
    assert f"uv=={version}\n" in (ROOT / "container/install.sh").read_text()


@pytest.mark.parametrize(
    ("complaint", "skips"),
    [
        ("  cause: client error (Connect)\n  cause: tcp connect error", True),
        ("after connection broken by 'NewConnectionError('<HTTPSConnection>: Failed to establish", True),
        ("No solution found when resolving dependencies: could not resolve aioconnect==2", False),
        ("error: Failed to parse `uv.lock`", False),
    ],
)
def test_only_a_network_that_is_not_there_skips_the_next_test(complaint, skips):
    assert bool(re.search(UNREACHABLE, complaint)) == skips


def test_the_install_step_gives_all_that_a_study_needs_and_nothing_of_development(tmp_path):
    """The Dockerfile's own line, in a folder of the files that it copies, into a folder of this machine."""
    (copied,) = instructions("COPY")
    for file in copied.split()[:-1]:
        shutil.copy(ROOT / file, tmp_path)
    # What keeps caches out of an image would download everything again here.
    step = re.sub(r"\b[A-Z_]+=1 ", "", instructions("RUN")[-1]).replace(PREFIX, str(tmp_path / "env"))
    environment = {name: value for name, value in os.environ.items() if name != "UV_PROJECT_ENVIRONMENT"}
    environment.pop("VIRTUAL_ENV", None)
    made = subprocess.run(step, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)  # noqa: S602
    if re.search(UNREACHABLE, made.stderr):
        pytest.skip("no package index can be reached")
    assert made.returncode == 0, made.stderr
    project = Project(tmp_path / "project")
    environment |= {"PATH": f"{tmp_path / 'env/bin'}:/usr/bin:/bin", "PYTHONPATH": "src"}
    project.environment = environment
    assert project.planned()["fine_tune"] == 2
    listed = project.run(
        "python", "-c",
        "import importlib.util as u; print([m for m in ('torch', 'timm', 'peft', 'pytest', 'mypy') if u.find_spec(m)])",
    )  # fmt: skip
    assert listed.stdout.strip() == "['torch', 'timm', 'peft']"


def called(*command: str) -> str:
    """What a command in the project's folder prints; it has to end well."""
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def has_docker() -> bool:
    return shutil.which("docker") is not None and subprocess.call(["docker", "info"], **SILENT) == 0


@pytest.mark.skipif(not has_docker(), reason="no Docker here")
def test_the_docker_image_plans_a_study(tmp_path):
    image = called("docker", "build", "--quiet", "--file", "container/Dockerfile", ".")
    study, user = Project(tmp_path / "study"), f"{os.getuid()}:{os.getgid()}"
    inside = ("docker", "run", "--rm", "--user", user, "--volume", f"{study.folder}:/study", image)
    assert "fine_tune" in called(*inside, *PLAN)


@pytest.mark.skipif(shutil.which("apptainer") is None, reason="no Apptainer here")
def test_the_apptainer_image_plans_a_study(tmp_path):
    called("apptainer", "build", str(tmp_path / "image.sif"), "container/tradeoff.def")
    study = Project(tmp_path / "study")
    inside = ("apptainer", "exec", "--cleanenv", "--pwd", str(study.folder), "--bind", str(study.folder))
    assert "fine_tune" in called(*inside, str(tmp_path / "image.sif"), *PLAN)
