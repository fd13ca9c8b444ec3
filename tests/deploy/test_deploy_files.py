"""The files of an installation and the program agree: commands are accepted, variables are settings, paths exist.

No container engine is assumed. The same topology runs as processes in tests/topology.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from fnmatch import fnmatch
from typing import Any

import click
import pytest
from deploy_files import CHART, ROOT, accept, compose, instructions, rendered, unknown_variables, words

OURS = {name: found for name, found in compose()["services"].items() if found.get("image") == "idp"}
NODES = {name: found for name, found in OURS.items() if (found.get("command") or [""])[0] == "serve"}
PROBES = {"/healthz", "/readyz"}


def env_of(stage: list[tuple[str, str]]) -> dict[str, str]:
    pairs = [pair.partition("=") for word, rest in stage if word == "ENV" for pair in rest.split()]
    return {name: value for name, _, value in pairs}


# -- Dockerfile


def final_stage() -> list[tuple[str, str]]:
    found = list(instructions())
    last = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def test_the_image_runs_a_command_of_ours_as_nobody_in_particular() -> None:
    stage = dict(final_stage())
    assert words(stage["ENTRYPOINT"]) == ["idp"]
    accept(words(stage["CMD"]))
    user = stage["USER"].split(":")
    assert all(part.isdigit() and int(part) > 0 for part in user), "numeric, so that runAsNonRoot can be checked"
    assert unknown_variables(env_of(final_stage())) == set()


def test_what_the_image_copies_is_here_and_not_ignored() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) or source.startswith(f"{pattern}/") for pattern in allowed), source


def test_every_installation_in_the_image_checks_hashes_or_is_ours() -> None:
    for word, rest in instructions():
        for command in re.findall(r"pip install ([^&]*)", rest) if word == "RUN" else ():
            assert "--require-hashes" in command or "/dist/idp-" in command, command


# -- compose


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_what_the_command_line_takes(name: str) -> None:
    service = OURS[name]
    entry = service.get("entrypoint", ["idp"])
    assert entry[0] == "idp"
    accept([*entry[1:], *service.get("command", [])])
    assert unknown_variables(service.get("environment") or {}) == set()


@pytest.mark.parametrize("name", OURS)
def test_a_service_has_a_read_only_root_and_no_rights(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith("0")
    assert "privileged" not in service


def test_nodes_start_after_one_migration_and_say_when_they_are_ready() -> None:
    assert len(NODES) == 2
    for node in NODES.values():
        assert node["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert "/readyz" in node["healthcheck"]["test"][-1]
    assert OURS["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}
    assert "healthcheck" in compose()["services"]["postgres"]
    assert OURS["migrate"]["restart"] == "on-failure"


def test_the_ha_profile_is_two_nodes_behind_nginx() -> None:
    services: dict[str, Any] = compose()["services"]
    in_ha = {name for name, found in services.items() if found.get("profiles", ["ha"]) == ["ha"]}
    assert in_ha >= {"idp", "idp-b", "nginx", "migrate", "postgres"}
    assert set(services["nginx"]["depends_on"]) == set(NODES)
    served = re.findall(r"^\s*server (\S+?):(\d+)", (ROOT / "deploy" / "nginx-compose.conf").read_text(), re.MULTILINE)
    assert served == [(name, "8000") for name in NODES]


def test_nginx_is_told_the_same_for_containers_as_for_processes() -> None:
    """Only the nodes' addresses and what is said about them differ."""

    def rest(name: str) -> str:
        text = (ROOT / "deploy" / name).read_text()
        return re.sub(r"^\s*(server \S+:\d+.*|#.*)\n", "", text, flags=re.MULTILINE)

    assert rest("nginx-compose.conf") == rest("nginx.conf")


def test_no_password_stands_in_the_compose_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for found in re.findall(r"(?i)password\S*: (.+)|://idp:([^@]+)@", text):
        value = "".join(found)
        assert value.startswith("${POSTGRES_PASSWORD:?"), value


# -- chart


def pods() -> list[dict[str, Any]]:
    return [found["spec"]["template"]["spec"] for found in rendered() if found["kind"] in ("Deployment", "Job")]


def test_the_charts_pods_run_what_the_command_line_takes() -> None:
    assert len(pods()) == 2
    for pod in pods():
        [container] = pod["containers"]
        accept(container["args"])
        assert unknown_variables({entry["name"]: entry for entry in container["env"]}) == set()
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False


def test_the_charts_probes_ask_what_is_there(tmp_path: Any) -> None:
    [deployment] = [found for found in rendered() if found["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    paths = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == PROBES
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_a_pod_has_time_to_drain() -> None:
    [deployment] = [found for found in rendered() if found["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    [drain] = [entry["value"] for entry in pod["containers"][0]["env"] if entry["name"] == "IDP_DRAIN_SECONDS"]
    assert pod["terminationGracePeriodSeconds"] >= int(drain) + 10
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_migration_comes_first() -> None:
    [job] = [found for found in rendered() if found["kind"] == "Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]


HELM = shutil.which("helm")


@pytest.mark.skipif(HELM is None, reason="no helm: the committed rendering is what the other tests read")
def test_the_rendering_is_the_charts() -> None:
    values = ["-f", str(CHART.parent / "rendered-values.yaml")]
    render = [str(HELM), "template", "idp", str(CHART), "--kube-version", "1.31.0", *values]
    made = subprocess.run(render, capture_output=True, text=True, check=True)
    assert made.stdout == (CHART.parent / "rendered.yaml").read_text()
    subprocess.run([str(HELM), "lint", "--strict", str(CHART), *values], capture_output=True, check=True)


def test_a_wrong_command_is_noticed() -> None:
    """What the tests above rest on."""
    for wrong in (["serv"], ["serve", "--worker", "2"], ["migrate", "now"], ["serve", "--workers", "0"]):
        with pytest.raises(click.ClickException):
            accept(wrong)
    assert unknown_variables({"IDP_ISSUER": "", "IDP_ISUER": ""}) == {"IDP_ISUER"}
