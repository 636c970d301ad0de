"""The files under deploy/, each read by what will read it, or by its schema."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lvae import cluster, experiments
from lvae.commands import train

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SLURM = "ClusterName=test\nSlurmctldHost=localhost\nAuthType=auth/none\nGresTypes=gpu\n"
SLURM += "MessageTimeout=1\nTCPTimeout=1\nSlurmctldTimeout=1\n"


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def test_every_file_is_named_on_the_page():
    page = (ROOT / "docs/cluster.md").read_text()
    assert [path.name for path in DEPLOY.iterdir() if f"`{path.name}`" not in page] == []


@pytest.mark.filterwarnings("ignore:the load_module")  # of the parser's own binding
def test_the_container_file_is_parsed_and_copies_what_is_there():
    """By the parser of Docker's own builder."""
    dockerfile = pytest.importorskip("dockerfile", reason="has no wheel for every platform")
    instructions = dockerfile.parse_file(str(DEPLOY / "Dockerfile"))
    assert instructions[0].cmd == "FROM"
    copied = [name for each in instructions if each.cmd == "COPY" for name in each.value[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {"lvae", "configs", "pyproject.toml", "README.md"} <= set(copied)


def test_the_slurm_script_hands_its_words_to_lvae_train(tmp_path):
    """Run by bash, with commands in place of srun that print what they are given."""
    (tmp_path / "srun").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    words = ["--config=default:smoke", "--workdir=runs/with a space"]
    for nodes, hosts in (("1", []), ("2", ["--coordinator=auto"])):
        variables = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", str(DEPLOY / "train.slurm"), *words],
            env=variables | {"SLURM_JOB_NUM_NODES": nodes},
            capture_output=True,
            text=True,
            check=True,
        )
        program, command, *flags = done.stdout.splitlines()
        assert (program, command, flags) == ("lvae", "train", [*hosts, *words])
        others = [flag for flag in flags if not train.is_config(flag)]
        assert str(train._parser().parse_args(others).workdir) == "runs/with a space"


@pytest.mark.skipif(not shutil.which("sbatch"), reason="needs Slurm's sbatch (slurm-client)")
def test_sbatch_knows_every_option_of_the_script(tmp_path):
    """sbatch reads the options before it looks for a controller, which is not there."""
    (tmp_path / "slurm.conf").write_text(SLURM)
    text = (DEPLOY / "train.slurm").read_text()
    (tmp_path / "wrong").write_text(text.replace("#SBATCH --nodes", "#SBATCH --nodez"))

    def complaint(script):
        done = subprocess.run(
            ["sbatch", "--test-only", str(script)],
            env=os.environ | {"SLURM_CONF": str(tmp_path / "slurm.conf")},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    assert "unrecognized option '--nodez" in complaint(tmp_path / "wrong")
    assert "nable to contact slurm controller" in complaint(DEPLOY / "train.slurm")


def test_dask_jobqueue_makes_a_job_of_the_options():
    from dask_jobqueue.slurm import SLURMJob

    file = f"slurm:{DEPLOY / 'slurm.yaml'}"
    cluster.check(file)
    options = cluster.read_options(file)
    assert options.pop("jobs") == 8
    script = SLURMJob(scheduler="tcp://127.0.0.1:8786", name="worker", **options).job_script()
    assert "#SBATCH -p normal" in script
    assert "--nthreads 1" in script
    done = subprocess.run(["bash", "-n"], input=script, text=True, check=False)
    assert done.returncode == 0


def test_kubernetes_manifests_fit_its_schemas():
    validate = pytest.importorskip("kubernetes_validate").validate
    claim, job = documents("job.yaml")
    (dask,) = documents("dask_cluster.yaml")
    pods = {role: dask["spec"][role]["spec"] for role in ("worker", "scheduler")}
    whole = [claim, job]
    for role, pod in pods.items():
        whole.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": role}, "spec": pod})
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lvae"}}
    whole.append(service | {"spec": dask["spec"]["scheduler"]["service"]})
    for document in whole:
        validate(document, "1.34", strict=True)
    wrong = {**whole[2], "spec": {**pods["worker"], "restartPolicies": "Never"}}
    with pytest.raises(Exception, match="restartPolicies"):
        validate(wrong, "1.34", strict=True)
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in pods["worker"]["volumes"]]
    assert claims == [claim["metadata"]["name"]]


def test_the_jobs_command_is_one_of_lvae():
    _, job = documents("job.yaml")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    program, command, *flags = container["command"]
    assert (program, command) == ("lvae", "train")
    (config,) = [flag.removeprefix("--config=") for flag in flags if train.is_config(flag)]
    assert experiments.read(config).task == "laser_grid"


def test_skypilot_takes_its_file():
    sky = pytest.importorskip("sky", reason="needs skypilot, which is too heavy for the extra test")
    task = sky.Task.from_yaml(str(DEPLOY / "sky.yaml"))
    assert task.name == "lvae-train"
