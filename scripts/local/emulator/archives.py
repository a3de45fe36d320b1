"""Unpacks function and layer zips once per content, with the mode bits that zipfile drops."""

import hashlib
import shutil
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path


def unpack(data: bytes, folder: Path) -> None:
    """Unpack into `folder`; a file without an executable bit in the zip gets none here."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        for member in archive.infolist():
            path = Path(archive.extract(member, folder))
            mode = member.external_attr >> 16 & 0o777
            if mode and not member.is_dir():
                path.chmod(mode | 0o600)


class UnpackedArchives:
    """Folders of unpacked zips, named by what is in them: the same content is unpacked once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root.mkdir(parents=True, exist_ok=True)

    def folder(self, archives: Sequence[bytes]) -> Path:
        """The folder with all archives unpacked over one another, the last on top."""
        digest = hashlib.sha256()
        for data in archives:
            digest.update(hashlib.sha256(data).digest())
        final = self._root / digest.hexdigest()[:32]
        if final.exists():
            return final
        temporary = final.with_suffix(".unpacking")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for data in archives:
            unpack(data, temporary)
        temporary.rename(final)
        return final
