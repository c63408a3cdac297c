"""The Kubernetes objects: valid for the API server, agreeing with the image and the versions, safe and bounded."""

from __future__ import annotations

import copy
import posixpath
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import framemill
from cluster.nightly.config import NightlyOptions
from cluster.runs.command_line import parse
from cluster.runs.lifecycle import ExitCode
from cluster.serving.ray_service import options_of
from tests.support.dataset import ROOT

DEPLOY = ROOT / "cluster" / "deploy"
FILES = sorted(DEPLOY.glob("*.yaml"))
DOCUMENTS: list[dict[str, Any]] = [found for file in FILES for found in yaml.safe_load_all(file.read_text())]
OBJECTS = {(found["kind"], found["metadata"]["name"]): found for found in DOCUMENTS}
CLUSTER = OBJECTS["RayCluster", "framemill"]["spec"]
CRON = OBJECTS["CronJob", "framemill-nightly"]["spec"]
JOB = CRON["jobTemplate"]["spec"]
GROUPS = {group["groupName"]: group for group in CLUSTER["workerGroupSpecs"]}
SERVICE = OBJECTS["RayService", "framemill-serve"]["spec"]
SERVING = SERVICE["rayClusterConfig"]
SERVING_GROUPS = {group["groupName"]: group for group in SERVING["workerGroupSpecs"]}
HEADS = {"head": CLUSTER, "serving head": SERVING}
PODS: dict[str, dict[str, Any]] = {
    "head": CLUSTER["headGroupSpec"]["template"]["spec"],
    **{name: group["template"]["spec"] for name, group in GROUPS.items()},
    "nightly": JOB["template"]["spec"],
    "serving head": SERVING["headGroupSpec"]["template"]["spec"],
    **{f"serving {name}": group["template"]["spec"] for name, group in SERVING_GROUPS.items()},
}


def strict(schema: Any) -> Any:
    """The schema, with fields refused that are not listed."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: strict(part) for key, part in schema.items()}
    return {**parts, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else parts


SCHEMAS = strict(yaml.safe_load((ROOT / "tests" / "fixtures" / "kubernetes" / "schemas.yaml").read_text()))


def problems(found: dict[str, Any]) -> list[str]:
    """What the API server would refuse."""
    validator = Draft202012Validator({**SCHEMAS, "$ref": f"#/$defs/{found['kind']}"})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(found)]


def container(pod: str) -> dict[str, Any]:
    (only,) = PODS[pod]["containers"]
    return only  # type: ignore[no-any-return]


def environment(pod: str) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container(pod)["env"]}


def cores(pod: str) -> int:
    return int(container(pod)["resources"]["requests"]["cpu"])


@pytest.mark.parametrize(("kind", "name"), OBJECTS)
def test_the_api_server_takes_them(kind: str, name: str) -> None:
    assert problems(OBJECTS[kind, name]) == []


def faulty() -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects with one fault each, and where it is."""
    spec = "$.spec.workerGroupSpecs[0]"
    for change, where in (
        (lambda group: group.pop("maxReplicas"), spec),
        (lambda group: group.update(maxReplica=3), spec),
        (lambda group: group.update(minReplicas="1"), f"{spec}.minReplicas"),
        (lambda group: group["template"]["spec"].pop("containers"), f"{spec}.template.spec"),
        (lambda group: group["template"]["spec"]["containers"][0].update(env={"A": "b"}), f"{spec}.template.spec"),
        (lambda group: group["rayStartParams"].update({"num-cpus": 0}), f"{spec}.rayStartParams"),
    ):
        found = copy.deepcopy(OBJECTS["RayCluster", "framemill"])
        change(found["spec"]["workerGroupSpecs"][0])
        yield where, found


@pytest.mark.parametrize(("where", "found"), list(faulty()))
def test_the_schema_finds_faults(where: str, found: dict[str, Any]) -> None:
    assert [problem for problem in problems(found) if problem.startswith(where)]


def test_worker_groups_grow_and_shrink() -> None:
    assert CLUSTER["enableInTreeAutoscaling"] is True
    assert SERVING["enableInTreeAutoscaling"] is True
    for group in (*GROUPS.values(), *SERVING_GROUPS.values()):
        assert "replicas" not in group  # the autoscaler's
        assert group["minReplicas"] <= group["maxReplicas"]
    assert GROUPS["decoders"]["maxReplicas"] > 0


def test_the_nightly_job_asks_for_all_cores_that_there_can_be() -> None:
    options = parse(NightlyOptions, container("nightly")["args"])
    assert options.engine.workers == GROUPS["decoders"]["maxReplicas"] * cores("decoders")
    assert (options.videos, options.checkpoint) == ("gs://BUCKET/videos", ("gs://BUCKET/models/current",))
    assert container("nightly")["command"][-2:] == ["python", "jobs/nightly.py"]


@pytest.mark.parametrize("pod", PODS)
def test_images_are_of_this_version_and_cannot_change(pod: str) -> None:
    version = framemill.__version__
    assert container(pod)["image"] == f"REGISTRY/framemill:{version}@sha256:DIGEST"


def test_every_image_is_named_by_its_digest() -> None:
    named = [image for document in DOCUMENTS for image in images(document)]
    assert len(named) == len(PODS)
    assert all(re.fullmatch(r"[\w./:-]+@sha256:(DIGEST|[0-9a-f]{64})", image) for image in named), named


def test_the_base_image_must_be_given_by_its_digest() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    bases = [line for line in lines if line.startswith("FROM ")]
    assert bases == ["FROM python:3.12-slim@${PYTHON_DIGEST}"]
    assert "ARG PYTHON_DIGEST" in lines[: lines.index(bases[0])]  # without a default, which would become stale
    assert all("--build-arg PYTHON_DIGEST=" in line for line in commands("docker build "))


def test_pages_say_how_digests_are_put_in() -> None:
    page = (DEPLOY / "README.md").read_text()
    assert re.search(r"sed -i .*REGISTRY.*sha256:DIGEST.*raycluster\.yaml.*nightly\.yaml.*rayservice\.yaml", page)


def images(part: Any) -> Iterator[str]:
    """All values of fields called `image`, anywhere below."""
    if isinstance(part, list):
        for item in part:
            yield from images(item)
    elif isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "image")
        for value in part.values():
            yield from images(value)


def commands(start: str) -> list[str]:
    """Commands that the files of the folder name, joined where they go on in the next line."""
    texts = [path.read_text().replace("\\\n", " ") for path in (DEPLOY / "Dockerfile", DEPLOY / "README.md")]
    found = [line[line.index(start) :] for text in texts for line in text.splitlines() if start in line]
    assert found
    return found


def test_ray_is_the_one_that_is_installed() -> None:
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert CLUSTER["rayVersion"] == SERVING["rayVersion"] == pinned[1]


@pytest.mark.parametrize("pod", PODS)
def test_pods_pass_the_restricted_security_standard(pod: str) -> None:
    security = PODS[pod]["securityContext"]
    user = re.search(r"--uid (\d+)", (DEPLOY / "Dockerfile").read_text())
    assert user
    assert f"USER {user[1]}" in (DEPLOY / "Dockerfile").read_text()
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == int(user[1]) > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    autoscalers = [each["autoscalerOptions"]["securityContext"] for each in HEADS.values()]
    for context in (container(pod)["securityContext"], *autoscalers):
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("pod", PODS)
def test_what_can_be_written_to_is_a_volume_of_bounded_size(pod: str) -> None:
    volumes = {volume["name"]: volume for volume in PODS[pod]["volumes"]}
    autoscaler = [HEADS[pod]["autoscalerOptions"]] if pod in HEADS else []
    for part in (container(pod), *autoscaler):
        places = {mount["mountPath"]: volumes[mount["name"]] for mount in part["volumeMounts"]}
        assert "sizeLimit" in places["/tmp"]["emptyDir"]
        assert {each["name"]: each.get("value") for each in part["env"]}["HOME"] == "/tmp"


@pytest.mark.parametrize("pod", PODS)
def test_pods_have_service_accounts_and_only_the_head_may_use_the_api(pod: str) -> None:
    account = OBJECTS["ServiceAccount", PODS[pod]["serviceAccountName"]]
    assert account["automountServiceAccountToken"] is False
    assert PODS[pod].get("automountServiceAccountToken", False) is (pod in HEADS)


@pytest.mark.parametrize("pod", PODS)
def test_pods_are_bounded(pod: str) -> None:
    resources = container(pod)["resources"]
    assert resources["requests"].keys() >= {"cpu", "memory"}
    assert resources["limits"]["memory"] == resources["requests"]["memory"]


def test_a_night_is_bounded() -> None:
    assert CRON["concurrencyPolicy"] == "Forbid"
    assert JOB["activeDeadlineSeconds"] < 24 * 3600  # before the next night
    assert JOB["backoffLimit"] > 0
    assert PODS["nightly"]["restartPolicy"] == "Never"


def test_what_a_retry_cannot_cure_is_not_retried() -> None:
    disruption, final = JOB["podFailurePolicy"]["rules"]
    assert disruption == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    assert final["action"] == "FailJob"
    assert final["onExitCodes"]["containerName"] == container("nightly")["name"]
    assert final["onExitCodes"]["values"] == [ExitCode.TOO_MANY_FAILURES, ExitCode.INTERRUPTED]


@pytest.mark.parametrize("pod", ["head", *GROUPS])
def test_weights_are_kept_in_a_volume_at_one_path(pod: str) -> None:
    # The driver sends weights to the path at which it has them itself.
    path = environment(pod)["FRAMEMILL_CACHE"]
    assert path == environment("head")["FRAMEMILL_CACHE"]
    (mount,) = [mount for mount in container(pod)["volumeMounts"] if mount["mountPath"] == path]
    (volume,) = [volume for volume in PODS[pod]["volumes"] if volume["name"] == mount["name"]]
    assert PODS[pod]["securityContext"]["fsGroup"] == PODS[pod]["securityContext"]["runAsUser"]
    if pod == "head":
        assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in OBJECTS


def test_the_nightly_job_reaches_the_cluster_with_its_token() -> None:
    given = environment("nightly")
    assert given["RAY_API_SERVER_ADDRESS"] == "http://framemill-head-svc:8265"  # KubeRay: NAME-head-svc
    assert CLUSTER["authOptions"] == {"mode": "token"}  # KubeRay makes the secret NAME with the key auth_token
    assert given["RAY_AUTH_MODE"] == "token"
    assert given["RAY_AUTH_TOKEN"] == {"secretKeyRef": {"name": "framemill", "key": "auth_token"}}


def test_the_service_takes_its_options_and_shares_its_uploads() -> None:
    config = yaml.safe_load(SERVICE["serveConfigV2"])
    assert config["proxy_location"] == "Disabled"
    (application,) = config["applications"]
    module, name = application["import_path"].split(":")
    assert callable(getattr(import_module(module), name))
    options = options_of(application["args"])
    assert options.replicas.decoders == SERVING_GROUPS["decoders"]["maxReplicas"] * cores("serving decoders")
    assert options.proxies  # or all clients behind the ingress would share the limits of one
    assert options.guards.queue >= 2 * options.replicas.decoders  # or decoders would have nothing to do
    assert options.guards.client_queue < options.guards.queue
    # Not a matter of which nodes have started when the application is built.
    assert options.replicas.gpus_per_network is not None
    assert (options.replicas.gpus_per_network > 0) is (SERVING_GROUPS["networks"]["maxReplicas"] > 0)
    (port,) = OBJECTS["Service", "framemill-serve"]["spec"]["ports"]
    assert port["targetPort"] == options.port
    labels = SERVING["headGroupSpec"]["template"]["metadata"]["labels"]
    assert OBJECTS["Service", "framemill-serve"]["spec"]["selector"].items() >= labels.items()
    for pod in ("serving head", *(f"serving {name}" for name in SERVING_GROUPS)):
        places = {mount["mountPath"]: mount["name"] for mount in container(pod)["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in PODS[pod]["volumes"]}
        claim = volumes[places[options.uploads.uploads]]["persistentVolumeClaim"]["claimName"]
        assert OBJECTS["PersistentVolumeClaim", claim]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert options.token_file is not None
    assert posixpath.dirname(options.token_file) in {
        mount["mountPath"] for mount in container("serving head")["volumeMounts"]
    }
