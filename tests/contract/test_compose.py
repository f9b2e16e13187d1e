"""docker-compose.yml: valid, hardened, and in line with the settings, the images and the files that it names.

compose-spec.json is the schema of the Compose Specification, (c) the Compose Specification authors, Apache License 2.0,
as Docker Compose 2.40.3 contains it. https://github.com/compose-spec/compose-spec
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from service.settings import Settings, secret_fields, variable
from tests.compose_file import (
    COMPOSE,
    ROOT,
    active_services,
    env_example,
    host_path,
    mounts,
    read_compose,
    seconds,
    size_bytes,
    variables,
)
from tests.contract.env_example import ENV_EXAMPLE, rewritten

HERE = Path(__file__).parent
DOCKER = ROOT / "docker"
FILE = read_compose()
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
EARMARKS = ("earmark", "earmark-gpu")
DEFAULTS = variables()
PORTS = {"earmark": 8000, "earmark-gpu": 8000, "prometheus": 9090, "grafana": 3000, "proxy": 443, "redis": 6379}
"""The port at which each program listens; for Earmark, the one that the image exposes."""
METRICS_PORT = "9100"
SECRET_FILES = {"redis_url", "redis_key", "redis_acl", "grafana_admin_password"}
CADDYFILE = (DOCKER / "proxy" / "Caddyfile").read_text()


def test_the_file_is_valid_by_the_compose_specification() -> None:
    schema = json.loads((HERE / "compose-spec.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    errors = list(jsonschema.Draft7Validator(schema).iter_errors(FILE))
    assert [error.message for error in errors] == []


def test_the_schema_finds_a_misspelt_key() -> None:
    schema = json.loads((HERE / "compose-spec.json").read_text())
    wrong = read_compose()
    wrong["services"]["redis"]["mem_limits"] = "1g"
    assert list(jsonschema.Draft7Validator(schema).iter_errors(wrong))


def test_a_word_chooses_the_cpu_or_a_gpu_and_another_adds_the_proxy() -> None:
    always = {"redis", "prometheus", "grafana"}
    assert active_services("cpu") == always | {"earmark"}
    assert active_services("gpu") == always | {"earmark-gpu", "dcgm-exporter"}
    assert active_services("cpu", "proxy") == always | {"earmark", "proxy"}
    assert env_example()["COMPOSE_PROFILES"] == ("cpu", True)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert size_bytes(service["mem_limit"]) > 0
    assert 0 < service["pids_limit"] <= 4096
    assert service["logging"]["options"]["max-size"]
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(service)


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" not in SERVICES[name]])
def test_every_image_of_others_is_pinned_by_version(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+[a-z0-9.-]*", SERVICES[name]["image"])


@pytest.mark.parametrize("name", EARMARKS)
def test_the_images_of_the_service_are_targets_of_the_dockerfile(name: str) -> None:
    build = SERVICES[name]["build"]
    dockerfile = (ROOT / build["context"] / build["dockerfile"]).read_text()
    assert re.search(rf"^FROM \S+ AS {build['target']}$", dockerfile, re.MULTILINE)
    assert SERVICES[name]["image"] == f"earmark:{build['target']}"
    assert f"EXPOSE {PORTS[name]}" in dockerfile
    assert "HEALTHCHECK" in dockerfile


@pytest.mark.parametrize("name", EARMARKS)
def test_every_setting_passed_is_a_setting(name: str) -> None:
    environment = SERVICES[name]["environment"]
    files = {f"{variable(field)}_FILE" for field in secret_fields()}
    assert set(environment) <= {*map(variable, Settings.model_fields), *files}
    assert environment["EARMARK_PORT"] == str(PORTS[name])
    for file in files & set(environment):
        assert host_path(FILE, name, environment[file]).name in SECRET_FILES


def test_both_variants_of_the_service_differ_only_in_the_image_and_the_gpu() -> None:
    cpu, gpu = ({key: SERVICES[name][key] for key in SERVICES[name]} for name in EARMARKS)
    for key in ("image", "build", "profiles"):
        assert cpu.pop(key) != gpu.pop(key)
    (device,) = gpu.pop("deploy")["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert cpu == gpu


def test_ports_are_published_on_this_machine_only_and_lead_to_the_port_of_the_program() -> None:
    published = []
    for name, service in SERVICES.items():
        for text in service.get("ports", []):
            address, port, target = text.split(":")
            assert address == "127.0.0.1", name
            assert int(target) == PORTS[name] or (name, target) == ("proxy", "80")
            published += [port] if name != "earmark-gpu" else []
    assert len(set(published)) == len(published)


def test_redis_is_reached_by_the_service_only() -> None:
    assert FILE["networks"]["cache"] == {"internal": True}
    assert SERVICES["redis"]["networks"] == ["cache"]
    assert "ports" not in SERVICES["redis"]
    assert {name for name, service in SERVICES.items() if "cache" in service["networks"]} == {"redis", *EARMARKS}


def test_the_service_has_the_same_name_in_both_variants() -> None:
    for name in EARMARKS:
        networks = SERVICES[name]["networks"]
        assert networks["front"] == networks["metrics"] == {"aliases": ["earmark"]}


def test_services_start_when_those_that_they_need_are_healthy() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", name
            assert "healthcheck" in SERVICES[needed] or needed in EARMARKS
            inactive = not set(service.get("profiles", ["cpu"])) & set(SERVICES[needed].get("profiles", ["cpu"]))
            assert how.get("required", True) is not inactive or needed == "redis"
    assert set(SERVICES["proxy"]["depends_on"]) == set(EARMARKS)
    assert {"redis"} == {needed for name in EARMARKS for needed in SERVICES[name]["depends_on"]}


def test_every_network_volume_and_secret_is_declared_and_used() -> None:
    used_networks = {network for service in SERVICES.values() for network in service["networks"]}
    used_volumes = {mount.source for name in SERVICES for mount in mounts(FILE, name) if mount.is_volume}
    used_secrets = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used_networks == set(FILE["networks"])
    assert used_volumes == set(FILE["volumes"])
    assert used_secrets == set(FILE["secrets"]) == SECRET_FILES


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_and_folder_that_is_mounted_exists_and_is_read_only(name: str) -> None:
    made = {
        "./docker/bundles",
        "./docker/keys",
        "./docker/recordings",
        *(secret["file"] for secret in FILE["secrets"].values()),
    }  # by docker/prepare.sh
    for mount in mounts(FILE, name):
        if not mount.is_volume:
            assert mount.read_only
            assert mount.source in made or (ROOT / mount.source).exists(), mount


@pytest.mark.parametrize("name", SERVICES)
def test_every_path_of_a_command_or_an_environment_is_in_the_container(name: str) -> None:
    service = SERVICES[name]
    words = [*service.get("command", []), *map(str, service.get("environment", {}).values())]
    paths = [match for word in words for match in re.findall(r"(?:^|=)(/(?:etc|run|bundles|keys)\S*)", word)]
    for path in paths:
        file = host_path(FILE, name, path)
        assert file.exists() or file.parent.name == "secrets", path


def test_there_is_a_variable_in_the_example_for_every_variable_of_the_file_with_its_default() -> None:
    example = {name: value for name, (value, _) in env_example().items() if not name.startswith("EARMARK_")}
    assert example.pop("COMPOSE_PROFILES")
    assert example == DEFAULTS
    assert not [name for name in DEFAULTS if name.startswith("EARMARK_")]  # the service would refuse them


def test_the_settings_in_the_example_are_those_of_the_code() -> None:
    assert rewritten(ENV_EXAMPLE.read_text()) == ENV_EXAMPLE.read_text()


def test_every_setting_is_in_the_example_or_set_by_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    example = {name for name in env_example() if name.startswith("EARMARK_")}
    fixed = {name.removesuffix("_FILE") for name in SERVICES["earmark"]["environment"]}
    assert example | fixed == set(map(variable, Settings.model_fields))
    assert not example & fixed


def test_every_value_in_the_example_is_accepted() -> None:
    for name, (value, is_set) in env_example().items():
        if name.startswith("EARMARK_") and value:
            field = name.removeprefix("EARMARK_").lower()
            assert getattr(Settings(**{field: value}), field) == Settings.model_fields[field].default or is_set


def test_the_service_has_longer_to_stop_than_its_requests() -> None:
    grace_s = Settings().grace_s
    (caddy_grace,) = re.findall(r"grace_period (\d+)s", CADDYFILE)
    for name in (*EARMARKS, "proxy"):
        assert seconds(SERVICES[name]["stop_grace_period"]) >= grace_s + 10
    assert grace_s < int(caddy_grace) < seconds(SERVICES["proxy"]["stop_grace_period"])


def test_memory_suffices_for_what_the_settings_allow() -> None:
    settings = Settings()
    (tmpfs,) = SERVICES["earmark"]["tmpfs"]
    space = size_bytes(re.search(r"size=(\w+)", tmpfs)[1])  # type: ignore[index]
    assert space > settings.max_bytes_in_flight
    needed = space + settings.cache_bytes + settings.max_answer_bytes + (1 << 30)
    assert size_bytes(SERVICES["earmark"]["mem_limit"]) > needed
    redis = SERVICES["redis"]
    assert size_bytes(redis["mem_limit"]) >= 1.5 * size_bytes(redis["command"][-1])


def test_the_limits_of_the_proxy_are_above_those_of_the_service() -> None:
    settings = Settings()
    environment = SERVICES["proxy"]["environment"]
    assert int(environment["PROXY_MAX_BODY_BYTES"]) > settings.max_upload_bytes + (1 << 20)
    assert seconds(environment["PROXY_REQUEST_TIMEOUT"]) > settings.request_timeout_s
    assert seconds(environment["PROXY_WRITE_TIMEOUT"]) > 2 * settings.request_timeout_s
    (keepalive,) = re.findall(r"keepalive (\d+)s", CADDYFILE)
    assert int(keepalive) < settings.keep_alive_s
    assert environment["PROXY_UPSTREAM"] == f"earmark:{PORTS['earmark']}"
    in_file = dict(re.findall(r"\{\$([A-Z_]+):([^}]*)\}", CADDYFILE))
    assert in_file == {name: str(value) for name, value in environment.items()}


def test_prometheus_reads_services_of_the_file_at_their_ports() -> None:
    config = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs["earmark"]["static_configs"] == [{"targets": [f"earmark:{METRICS_PORT}"]}]
    for name in EARMARKS:
        assert SERVICES[name]["environment"]["EARMARK_METRICS_PORT"] == METRICS_PORT
        assert not any(METRICS_PORT in port for port in SERVICES[name]["ports"])
    (discovery,) = jobs["dcgm-exporter"]["dns_sd_configs"]
    assert (discovery["names"], discovery["port"]) == (["dcgm-exporter"], 9400)
    assert "9400" in str(SERVICES["dcgm-exporter"]["healthcheck"])
    for name in (*EARMARKS, "dcgm-exporter", "grafana"):
        assert "metrics" in SERVICES[name]["networks"]


@pytest.mark.parametrize("kind", ["datasources", "dashboards"])
def test_the_provisioning_of_grafana_is_valid(kind: str) -> None:
    schema = json.loads((HERE / "grafana-provisioning.json").read_text())
    files = list((DOCKER / "grafana" / "provisioning" / kind).iterdir())
    assert files
    for file in files:
        jsonschema.validate(yaml.safe_load(file.read_text()), {"$ref": f"#/definitions/{kind}", **schema})


def test_grafana_reads_the_dashboards_and_prometheus_of_the_file() -> None:
    provisioning = DOCKER / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "earmark.yml").read_text())["providers"]
    assert host_path(FILE, "grafana", provider["options"]["path"]) == DOCKER / "grafana" / "dashboards"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == f"http://prometheus:{PORTS['prometheus']}"
    interval = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval


def test_nobody_uses_grafana_without_the_password() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert host_path(FILE, "grafana", environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]).name == "grafana_admin_password"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment


def test_what_the_preparation_makes_is_not_in_git() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/.env", "/docker/secrets/", "/docker/bundles/", "/docker/keys/", "/docker/recordings/"} <= set(ignored)
    assert "docker/prepare.sh" in COMPOSE.read_text()
