import os
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.core.manifest import PACKAGED_BUNDLE
from service.core.start_errors import SettingInvalid, SettingUnknown
from service.engine.caching.redis_tier import RedisOptions
from service.engine.options import EngineOptions
from service.settings import (
    PREFIX,
    Settings,
    ignored_service_links,
    read_settings,
    redis_options,
    secret_fields,
    split_origins,
    variable,
)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_the_defaults_serve_the_packaged_bundle_on_this_machine_only() -> None:
    settings = read_settings()
    assert (settings.host, settings.port, settings.bundle) == ("127.0.0.1", 8000, PACKAGED_BUNDLE)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_PORT", "9001")
    monkeypatch.setenv("EARMARK_BUNDLE", "/models/tiny")
    monkeypatch.setenv("EARMARK_LOG_LEVEL", "WARNING")
    settings = read_settings()
    assert (settings.port, settings.bundle, settings.log_level) == (9001, Path("/models/tiny"), "warning")


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_PORT", "")
    assert read_settings().port == 8000


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("EARMARK_PROT", "EARMARK_PORT"), ("EARMARK_MAX_CLIPS", "EARMARK_MAX_CLIP_S"), ("earmark_hosts", "EARMARK_HOST")],
)
def test_an_unknown_name_stops_the_start_and_the_nearest_setting_is_suggested(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingUnknown) as caught:
        read_settings()
    assert str(caught.value) == f"{name} is not a setting; did you mean {nearest}?"


def test_service_links_of_kubernetes_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    links = {
        "EARMARK_PORT": "tcp://10.0.0.1:9000",
        "EARMARK_PORT_9000_TCP_ADDR": "10.0.0.1",
        "EARMARK_SERVICE_HOST": "10.0.0.1",
        "EARMARK_REDIS_SERVICE_PORT": "6379",
    }
    for name, value in links.items():
        monkeypatch.setenv(name, value)
    assert read_settings().port == 8000
    assert ignored_service_links() == sorted(links)
    monkeypatch.setenv("EARMARK_PORT", "9001")  # as the container's own variables replace service links
    assert read_settings().port == 9001
    monkeypatch.setenv("EARMARK_SERVICE_HOTS", "10.0.0.1")
    with pytest.raises(SettingUnknown):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("EARMARK_PORT", "eighty", "a valid integer"),
        ("EARMARK_PORT", "65536", "less than or equal to 65535"),
        ("EARMARK_DEVICE", "tpu", "'auto', 'cpu' or 'cuda'"),
        ("EARMARK_MAX_CLIP_S", "0", "greater than 0"),
        ("EARMARK_MAX_CLIP_S", "nan", "finite"),
        ("EARMARK_MAX_REQUESTS", "0", "greater than or equal to 1"),
        ("EARMARK_CACHE_BYTES", "-1", "greater than or equal to 0"),
    ],
)
def test_an_unaccepted_value_is_refused_and_the_accepted_values_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, accepted: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingInvalid) as caught:
        read_settings()
    assert str(caught.value).startswith(f"{name} is {value!r}; accepted: ")
    assert accepted in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p@h:1/2", "unix:///run/redis?db=1", "redis://h?socket_timeout=99"]
)
def test_a_url_sets_the_redis_and_its_password_is_hidden(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("EARMARK_REDIS_URL", url)
    monkeypatch.setenv("EARMARK_REDIS_TTL_S", "60")
    assert redis_options(read_settings()) == RedisOptions(url, ttl_s=60, value_bytes=8 * 2**20)
    assert "p@h" not in repr(read_settings())


def test_there_is_no_redis_by_default() -> None:
    assert redis_options(read_settings()) is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://:secret@h", "http://***@h"),
        ("h:6379", "h:6379"),
        ("redis://:se@cret@h:port", "redis://***@h:port"),
        ("redis://h?foo=1&password=secret", "redis://h?foo=1&password=***"),
    ],
)
def test_the_message_about_an_invalid_redis_url_hides_the_password(
    monkeypatch: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    monkeypatch.setenv("EARMARK_REDIS_URL", url)
    with pytest.raises(SettingInvalid) as caught:
        read_settings()
    assert str(caught.value).startswith(f"EARMARK_REDIS_URL is '{shown}'; accepted: redis://")


def test_the_secret_key_of_redis_is_hidden_and_not_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_REDIS_URL", "redis://h")
    monkeypatch.setenv("EARMARK_REDIS_KEY", "sixteen-letters!")
    settings = read_settings()
    options = redis_options(settings)
    assert options is not None
    assert options.key == "sixteen-letters!"
    assert "sixteen" not in repr(settings) + repr(options)
    monkeypatch.setenv("EARMARK_REDIS_KEY", "short")
    with pytest.raises(SettingInvalid) as caught:
        read_settings()
    assert str(caught.value) == "EARMARK_REDIS_KEY is a key of 5 characters; accepted: at least 16 characters, or empty"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_has_a_description(field: str) -> None:
    assert Settings.model_fields[field].description
    assert variable(field) == f"EARMARK_{field.upper()}"


@pytest.mark.parametrize("option", fields(EngineOptions), ids=lambda option: option.name)
def test_every_option_of_the_engine_is_a_setting_with_the_same_default(option: object) -> None:
    name = getattr(option, "name", "")
    assert getattr(Settings(), name) == getattr(EngineOptions(), name)


@pytest.mark.parametrize(
    "value", ["example.com", "https://example.com/", "https://a b", "https://", "https://a,https//b"]
)
def test_an_allowed_origin_has_a_scheme_and_a_host_only(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("EARMARK_ALLOWED_ORIGINS", value)
    with pytest.raises(SettingInvalid, match=r"EARMARK_ALLOWED_ORIGINS is .*accepted: origins such as https://"):
        read_settings()


def test_allowed_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_ALLOWED_ORIGINS", " https://Example.com, http://localhost:3000,null,")
    origins = split_origins(read_settings().allowed_origins)
    assert origins == ("https://example.com", "http://localhost:3000", "null")


def test_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:password@redis:6379/0\n")
    (tmp_path / "key").write_text("k" * 16)
    monkeypatch.setenv("EARMARK_REDIS_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("EARMARK_REDIS_KEY_FILE", str(tmp_path / "key"))
    settings = read_settings()
    assert settings.redis_url.get_secret_value() == "redis://:password@redis:6379/0"
    assert settings.redis_key.get_secret_value() == "k" * 16


def test_a_secret_from_a_file_is_checked_and_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("http://:password@redis")
    monkeypatch.setenv("EARMARK_REDIS_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingInvalid) as caught:
        read_settings()
    assert "EARMARK_REDIS_URL is 'http://***@redis'" in str(caught.value)


def test_only_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert secret_fields() == ["redis_url", "redis_key"]
    (tmp_path / "port").write_text("9000")
    monkeypatch.setenv("EARMARK_PORT_FILE", str(tmp_path / "port"))
    with pytest.raises(SettingUnknown):
        read_settings()
