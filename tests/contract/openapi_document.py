"""The committed OpenAPI document, which clients rely on. To rewrite it: python -m tests.contract.openapi_document"""

import json
from pathlib import Path
from typing import Any

from service.app import create_app
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.fake_engine import FakeEngine

COMMITTED = Path(__file__).with_name("openapi.json")


def current_document() -> dict[str, Any]:
    return create_app(FakeEngine(), Settings(), version="0", shutdown=Shutdown()).openapi()


def main() -> None:
    COMMITTED.write_text(json.dumps(current_document(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
