"""docker/prepare.sh makes the files that docker-compose.yml needs, once."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from service.settings import Settings
from tests.compose_file import ROOT, read_compose


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that the script reads."""
    (tmp_path / "docker").mkdir()
    shutil.copy(ROOT / "docker" / "prepare.sh", tmp_path / "docker")
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def prepare(checkout: Path, folder: Path = Path("/"), **variables: str) -> str:
    """Runs the script from another folder, and returns its output."""
    command = ["sh", str((checkout / "docker" / "prepare.sh").relative_to(folder))]
    environment = os.environ | variables
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True, umask=0o077
    ).stdout


def contents(checkout: Path) -> dict[str, str]:
    files = [checkout / ".env", *(checkout / "docker" / "secrets").iterdir()]
    return {file.name: file.read_text() for file in files}


def test_every_secret_of_the_file_is_made(checkout: Path) -> None:
    assert prepare(checkout).endswith("Ready: docker compose up\n")
    for secret in read_compose()["secrets"].values():
        assert (checkout / secret["file"]).stat().st_size >= 64
    assert (checkout / ".env").read_text() == (ROOT / ".env.example").read_text()
    assert (checkout / "docker" / "bundles").is_dir()
    assert (checkout / "docker" / "keys").is_dir()
    assert (checkout / "docker" / "recordings").is_dir()


def test_the_service_accepts_its_secrets_and_redis_knows_the_password(checkout: Path) -> None:
    prepare(checkout)
    files = contents(checkout)
    settings = Settings(redis_url=files["redis_url"].strip(), redis_key=files["redis_key"].strip())
    url = settings.redis_url.get_secret_value()
    password = re.fullmatch(r"redis://earmark:([0-9a-f]{64})@redis:6379/0", url)
    assert password is not None
    assert f"#{hashlib.sha256(password[1].encode()).hexdigest()} " in files["redis_acl"]
    assert password[1] not in files["redis_acl"]


def test_containers_of_any_user_may_read_the_secrets_but_no_other_user_of_the_host(checkout: Path) -> None:
    prepare(checkout)
    secrets = checkout / "docker" / "secrets"
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in secrets.iterdir()} == {0o444}
    assert (checkout / "docker" / "bundles").stat().st_mode & 0o777 == 0o755


def test_a_second_run_changes_nothing(checkout: Path) -> None:
    prepare(checkout)
    (checkout / ".env").write_text("COMPOSE_PROFILES=gpu\n")
    before = contents(checkout)
    assert prepare(checkout) == "Ready: docker compose up\n"
    assert contents(checkout) == before


def test_two_checkouts_have_different_secrets(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Path(shutil.copytree(checkout, tmp_path_factory.mktemp("other") / "checkout"))
    prepare(checkout)
    prepare(other)
    for name in ("redis_url", "redis_key", "grafana_admin_password"):
        assert contents(checkout)[name] != contents(other)[name]


def test_redis_follows_a_new_password(checkout: Path) -> None:
    prepare(checkout)
    before = contents(checkout)
    (checkout / "docker" / "secrets" / "redis_url").unlink()
    prepare(checkout)
    after = contents(checkout)
    assert after["redis_url"] != before["redis_url"]
    assert after["redis_acl"] != before["redis_acl"]
    assert after["redis_key"] == before["redis_key"]


def test_an_empty_secret_is_made_again(checkout: Path) -> None:
    prepare(checkout)
    file = checkout / "docker" / "secrets" / "grafana_admin_password"
    file.unlink()
    file.touch()
    prepare(checkout)
    assert len(file.read_text()) == 64


def test_a_search_path_of_cd_does_not_lead_the_script_elsewhere(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "docker").mkdir()
    assert prepare(checkout, folder=checkout, CDPATH=str(elsewhere)).startswith("made docker/secrets/redis_url\n")
    assert (checkout / ".env").exists()


def test_what_an_interrupted_run_has_left_is_replaced(checkout: Path) -> None:
    leftover = checkout / "docker" / "secrets" / "redis_key.new"
    leftover.parent.mkdir()
    leftover.symlink_to("/missing/file")  # not even root can write to it, unlike to a read-only file
    prepare(checkout)
    assert not leftover.is_symlink()
    assert len(contents(checkout)["redis_key"]) == 64
