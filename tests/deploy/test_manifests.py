"""The files of deploy/ against their validators; no container engine runs them here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config
from dagster._core.workspace.config_schema import WORKSPACE_CONFIG_SCHEMA
from dagster_k8s import K8sRunLauncher
from dagster_postgres import DagsterPostgresStorage

from benchmarks.install import last, lineage, run_commands
from tests.e2e.compose_services import compose

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
MANIFESTS = sorted(path for path in DEPLOY.glob("kubernetes/*.yaml") if path.stem != "dagster-values")
VALUES = yaml.safe_load((DEPLOY / "kubernetes" / "dagster-values.yaml").read_text(encoding="utf-8"))
IMAGES = ("page", "pipeline")


def run(*command: str | Path) -> str:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}  # hadolint prints the path in the locale's encoding
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def pods(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry["spec"]["template"]["spec"] for entry in manifests if entry["kind"] == "Deployment"]


def manifests() -> list[dict[str, Any]]:
    return [entry for path in MANIFESTS for entry in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


# Dockerfile


def test_hadolint_has_no_warning() -> None:
    run(BIN / "hadolint", "--failure-threshold", "warning", DEPLOY / "Dockerfile")


def test_hadolint_fails_on_a_fault(tmp_path: Path) -> None:
    faulty = tmp_path / "Dockerfile"
    faulty.write_text((DEPLOY / "Dockerfile").read_text(encoding="utf-8") + "USER root\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="DL3002"):
        run(BIN / "hadolint", "--failure-threshold", "warning", faulty)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_a_user_who_is_not_root(image: str) -> None:
    assert last(image, "USER") == "10001:10001"


def test_the_image_of_the_page_takes_nothing_from_that_of_the_pipeline() -> None:
    assert "install-pipeline" not in lineage("page")
    (group,) = [command for _, command in run_commands("page") if "--group" in command]
    assert group.endswith("--group page")


@pytest.mark.parametrize("image", IMAGES)
def test_what_an_image_copies_and_runs_is_there(image: str) -> None:
    for _, command in run_commands(image):
        for word in ("constraints.txt", "./deploy/opencv-headless"):
            assert word not in command or (ROOT / word).exists()
    for word in ("app/main.py", "deploy/healthy.py"):
        assert (ROOT / word).is_file()


# Compose


def test_the_compose_file_is_valid() -> None:
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_a_field_that_compose_does_not_know_is_found(tmp_path: Path) -> None:
    faulty = tmp_path / "compose.yaml"
    faulty.write_text(yaml.safe_dump({"services": {"page": {"image": "palms", "restarts": "always"}}}))
    with pytest.raises(AssertionError, match="restarts"):
        run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", faulty)


@pytest.mark.parametrize("service", ["postgres", "code", "webserver", "daemon", "page"])
def test_a_service_is_checked_restarted_and_limited(service: str) -> None:
    settings = compose()["services"][service]
    assert settings["restart"] == "unless-stopped"
    assert settings["healthcheck"]["test"][0] == "CMD"
    assert set(settings["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


def test_only_the_loopback_interface_is_published() -> None:
    published = [port for service in compose()["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_services_and_volumes_that_are_named_exist() -> None:
    file = compose()
    for service in file["services"].values():
        assert set(service.get("depends_on", ())) <= set(file["services"])
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert volumes <= set(file["volumes"])
        for entry in service.get("configs", ()):
            assert (DEPLOY / file["configs"][entry["source"]]["file"]).is_file()


def test_pipeline_and_page_share_the_store() -> None:
    services = compose()["services"]
    for name in ("code", "webserver", "daemon", "page"):
        assert "palm_home:/data/palm_home" in services[name]["volumes"]


# Dagster's instance


def test_the_instance_of_the_containers_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in compose()["services"]["webserver"]["environment"].items():
        monkeypatch.setenv(name, str(value))
    settings, _ = dagster_instance_config(str(DEPLOY), config_filename="dagster.yaml")  # raises if not valid
    storage = settings["storage"]["postgres"]
    checked = process_config(dg.Shape(DagsterPostgresStorage.config_type()), storage)
    assert checked.success, checked.errors
    workspace = yaml.safe_load((DEPLOY / "workspace.yaml").read_text(encoding="utf-8"))
    assert process_config(WORKSPACE_CONFIG_SCHEMA, workspace).success


def test_it_differs_from_that_of_one_machine_in_storage_monitoring_and_retries_alone() -> None:
    here, there = (
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (ROOT / "dagster_home" / "dagster.yaml", DEPLOY / "dagster.yaml")
    )
    assert {name for name in here | there if here.get(name) != there.get(name)} == {
        "storage",
        "run_monitoring",
        "run_retries",
    }
    assert there["run_retries"] == {"enabled": True, "max_retries": 1}


# Kubernetes


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_valid(path: Path) -> None:
    assert "passed" in run(BIN / "kubernetes-validate", "--strict", path)


def test_a_field_that_kubernetes_does_not_know_is_found(tmp_path: Path) -> None:
    (page,) = [entry for entry in manifests() if entry["kind"] == "Deployment"]
    page["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    (tmp_path / "page.yaml").write_text(yaml.safe_dump(page))
    with pytest.raises(AssertionError, match="livenessprobe"):
        run(BIN / "kubernetes-validate", "--strict", tmp_path / "page.yaml")


def test_selectors_claims_and_ports_fit_together() -> None:
    found = {entry["kind"]: entry for entry in manifests()}
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert found["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert found["Service"]["spec"]["selector"].items() <= labels
    (pod,) = pods(manifests())
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in [*pod["volumes"], *VALUES["dagster-user-deployments"]["deployments"][0]["volumes"]]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {found["PersistentVolumeClaim"]["metadata"]["name"]}
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == pod["containers"][0]["ports"][0]["name"]
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] < found["Deployment"]["spec"]["replicas"]


def test_the_parts_of_pods_in_the_values_of_dagsters_chart_are_valid(tmp_path: Path) -> None:
    """The chart's own schema is in no package, so names that are the chart's are not checked."""
    user = VALUES["dagster-user-deployments"]["deployments"][0]
    parts = [VALUES["dagsterWebserver"], VALUES["dagsterDaemon"], user]
    for number, part in enumerate(parts):
        container = {
            "name": "part",
            "image": f"{part['image']['repository']}:{part['image']['tag']}",
            "imagePullPolicy": part["image"]["pullPolicy"],
            "securityContext": part["securityContext"],
            "resources": part["resources"],
            "volumeMounts": part.get("volumeMounts", []),
            "env": part.get("env", []),
        }
        for probe in ("readinessProbe", "startupProbe"):
            if "httpGet" in part.get(probe, {}):
                container[probe] = {key: value for key, value in part[probe].items() if key != "enabled"}
        spec = {
            "containers": [container],
            "securityContext": part["podSecurityContext"],
            "volumes": part.get("volumes", []),
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "part"}, "spec": spec}
        (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump(pod))
        run(BIN / "kubernetes-validate", "--strict", tmp_path / f"{number}.yaml")


def test_the_settings_of_runs_are_those_of_dagster_k8s(tmp_path: Path) -> None:
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    parts = launcher["runK8sConfig"]
    config = {
        "service_account_name": "dagster",
        "instance_config_map": "dagster-instance",
        "dagster_home": "/opt/dagster/dagster_home",
        "image_pull_policy": launcher["imagePullPolicy"],
        "load_incluster_config": launcher["loadInclusterConfig"],
        "labels": launcher["labels"],
        "fail_pod_on_run_failure": launcher["failPodOnRunFailure"],
        "run_k8s_config": {
            "container_config": parts["containerConfig"],
            "pod_spec_config": parts["podSpecConfig"],
            "job_spec_config": parts["jobSpecConfig"],
        },
    }
    checked = process_config(dg.Shape(K8sRunLauncher.config_type()), config)
    assert checked.success, checked.errors
    container = {"name": "run", "image": "palms-pipeline", **parts["containerConfig"]}
    pod = {"containers": [container], "restartPolicy": "Never", **parts["podSpecConfig"]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "run", "labels": launcher["labels"]},
        "spec": {"template": {"spec": pod}, **parts["jobSpecConfig"]},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    run(BIN / "kubernetes-validate", "--strict", tmp_path / "job.yaml")


def test_the_chart_has_the_version_of_dagster() -> None:
    text = (DEPLOY / "kubernetes" / "dagster-values.yaml").read_text(encoding="utf-8")
    assert f"--version {dg.__version__}" in text
