"""The Helm chart is what the kustomizations are, and refuses what would not work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.rendering import (
    CHART,
    chart,
    key_of,
    manifests,
    rendered,
    run_helm,
    template,
    with_components,
)
from tests.deploy.tools import helm

pytestmark = pytest.mark.timeout(300)  # helm may have to be fetched

ROOT = Path(__file__).parents[2]
OWN_LABELS = frozenset({"app.kubernetes.io/managed-by", "helm.sh/chart"})


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_helm_has_nothing_to_say_about_the_chart(version: str) -> None:
    done = run_helm([str(helm()), "lint", "--strict", f"--kube-version={version}", str(CHART)])

    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout + done.stderr


def objects(text: str) -> dict[str, Any]:
    """Each object, less what only one of the ways adds: labels of Helm, a digest, a namespace."""
    text = re.sub(r"\blightkeeper-config-[a-z0-9]{10}\b", "lightkeeper-config", text)
    found = {}
    for one in manifests(text):
        if one["kind"] == "Namespace":
            continue
        labels = one["metadata"]["labels"]
        one["metadata"]["labels"] = {
            key: value for key, value in labels.items() if key not in OWN_LABELS
        }
        if one["kind"] == "Deployment":
            one["spec"]["template"]["metadata"].pop("annotations", None)
            (container,) = one["spec"]["template"]["spec"]["containers"]
            container["env"].sort(key=lambda variable: str(variable["name"]))
        if one["kind"] == "ConfigMap":
            one["data"]["config.yaml"] = yaml.safe_load(one["data"]["config.yaml"])
        found[key_of(one)] = one
    return found


def test_the_chart_is_the_base() -> None:
    assert objects(chart()) == objects(rendered("base"))


def test_what_the_chart_does_not_make_is_the_namespace_and_the_page_says_so() -> None:
    made = {key_of(one) for one in manifests(chart())}
    others = [
        one
        for one in manifests(rendered("base"))
        if key_of(one) not in made and one["kind"] != "ConfigMap"  # whose name has a digest
    ]
    (namespace,) = others
    labels = namespace["metadata"]["labels"].items()

    page = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text()
    assert namespace["kind"] == "Namespace"
    told = {f"{key}={value}" for key, value in labels if key.startswith("pod-security")}
    assert told == set(re.findall(r"pod-security\.kubernetes\.io/\w+=\w+", page))


@pytest.mark.parametrize(
    ("settings", "components"),
    [
        (["replicas=2"], ["pair"]),
        (["push.clusterWide=true"], ["cluster-wide"]),
        (["podMonitor.enabled=true"], ["pod-monitor"]),
        (
            ["replicas=2", "push.clusterWide=true", "podMonitor.enabled=true"],
            ["pair", "cluster-wide", "pod-monitor"],
        ),
    ],
)
def test_the_charts_settings_are_the_components(settings: list[str], components: list[str]) -> None:
    assert objects(chart(*settings)) == objects(with_components(*components))


def test_a_change_of_the_configuration_is_a_new_pod() -> None:
    def checksum(*settings: str) -> str:
        (one,) = [one for one in manifests(chart(*settings)) if one["kind"] == "Deployment"]
        told: str = one["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        return told

    assert checksum() == checksum("podMonitor.enabled=true")
    assert checksum() != checksum("config.log.level=debug")


def test_an_image_may_be_named_by_digest() -> None:
    digest = f"sha256:{'0' * 64}"

    assert f'image: "lightkeeper@{digest}"' in chart(f"image.digest={digest}")


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("push.namespaces={elsewhere}", "writes to the namespace ci: add it to push.namespaces"),
        ("push.secrets={other}", "writes the Secret lightsail-push: add it to push.secrets"),
        (
            "config.logins[0].outputs[0].namespaces={team-*}",
            "has the pattern team-*: set push.clusterWide",
        ),
        (
            "config.logins[0].outputs[0].namespace_selector=a",
            "has a namespace_selector: set push.clusterWide",
        ),
        (
            "config.logins[0].outputs[0].prune=true",
            "prunes the Secret lightsail-push: set push.prune",
        ),
        (
            (
                "config.logins[0].outputs[0].namespaces={elsewhere},"
                "config.logins[0].outputs[0].cluster.qps=5"
            ),
            "writes to the namespace elsewhere: add it to push.namespaces",
        ),
        ("config.leader_election.lease=a/b", "has a leader_election: set replicas to 2"),
        ("config.leader_election.duration=1m", "has a leader_election: set replicas to 2"),
        ("config.state.secret=a/b", "state"),
        ("replica=2", "replica"),
        ("replicas=3", "replicas"),
    ],
)
def test_what_the_daemon_would_have_no_right_to_is_refused(setting: str, why: str) -> None:
    if "outputs[0]" in setting:
        setting += ",config.logins[0].outputs[0].type=kubernetes_secret"

    done = run_helm(template(setting))

    assert done.returncode != 0
    assert why in done.stderr


@pytest.mark.parametrize(
    ("setting", "where"),
    [
        ("config=null", "missing property 'config'"),
        ("config.logins={prod}", "'/config/logins/0'"),
        ("config.logins[0].outputs=a", "'/config/logins/0/outputs'"),
        ("config.logins[0].outputs[0].namespaces=ci", "'/config/logins/0/outputs/0/namespaces'"),
        ("config.logins[0].outputs[0].secret=7", "'/config/logins/0/outputs/0/secret'"),
        ("config.logins[0].outputs[0].cluster=a", "'/config/logins/0/outputs/0/cluster'"),
        ("config.logins[0].outputs[0].prune=true", "missing property 'type'"),
        ("push=null", "missing property 'push'"),
        ("push.secrets=null", "missing property 'secrets'"),
        ("push.secrets={a/b}", "'/push/secrets/0'"),
        ("push.namespaces={ci,Team_A}", "'/push/namespaces/1'"),
        ("push.namespaces={team-*}", "'/push/namespaces/0'"),
        ("image=null", "missing property 'image'"),
        ("serviceAccount=null", "missing property 'serviceAccount'"),
    ],
)
def test_what_has_another_form_is_refused_by_where_it_stands(setting: str, where: str) -> None:
    """Not by the words of a template that falls over it."""
    if "outputs[0]" in setting and "prune" not in setting:
        setting += ",config.logins[0].outputs[0].type=kubernetes_secret"

    done = run_helm(template(setting))

    assert done.returncode != 0
    assert where in done.stderr
    assert "values don't meet the specifications of the schema" in done.stderr


@pytest.mark.parametrize("which", ["kubeconfig=/k/config", "context=other"])
def test_what_is_written_into_another_cluster_takes_no_right_here(which: str) -> None:
    output = "config.logins[0].outputs[0]"
    told = ["type=kubernetes_secret", "namespaces={elsewhere,team-*}", "secret=other", "prune=true"]

    text = chart(*(f"{output}.{one}" for one in told), f"{output}.cluster.{which}")

    (config,) = [one for one in manifests(text) if one["kind"] == "ConfigMap"]
    assert "elsewhere" in config["data"]["config.yaml"]
    assert not any(
        one["kind"] == "Role" and one["metadata"]["namespace"] == "elsewhere"
        for one in manifests(text)
    )


def test_a_pair_may_say_how_it_elects() -> None:
    """The Lease is named by a variable, which goes before the file."""
    text = chart("replicas=2", "config.leader_election.duration=1m")

    assert "name: LIGHTKEEPER_LEASE" in text
    assert "duration: 1m" in text


@pytest.mark.parametrize("more", ["push.prune=true", "config.logins[0].outputs[0].merge=true"])
def test_who_prunes_has_the_right_to_delete_unless_it_shares_the_secret(more: str) -> None:
    output = "config.logins[0].outputs[0]"
    rendered = chart(f"{output}.type=kubernetes_secret", f"{output}.prune=true", more)

    assert ("delete" in rendered) is (more == "push.prune=true")
