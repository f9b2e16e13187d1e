"""Archives as the registry of npm serves them."""

import base64
import hashlib
import io
import tarfile

from service.web.vendor import Package


def archive_of(contents: dict[str, bytes], used: list[str]) -> tuple[bytes, Package]:
    """The archive of a package, and the pin of the package."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for path, content in contents.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive = file.getvalue()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    files = {path: hashlib.sha256(contents[path]).hexdigest() for path in used}
    return archive, Package("sample", "1.0.0", "MIT", integrity, files)
