"""The raw text of `make demo`: a real English Wikipedia excerpt, fetched through pip.

The gensim wheel carries, as test data, the head of an enwiki dump: 106 long articles and 100
redirects (CC BY-SA). pip is asked for that one wheel as it is configured here, so a mirror or an
offline folder of wheels works too; one file is unpacked and nothing is installed.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from corpus import identity, storage

WHEEL = "gensim==4.4.0"
WHEEL_SHA256 = {
    "cp311": "91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
    "cp312": "4b73ff30af6ddd0d2ddf9473b1eb44603cd79ec14c87d93b75291802b991916c",
    "cp313": "9033b18920b7774e68eafacdbd87252ffa29382ec465ddb88bd036e00fc86365",
}
"""Of the wheels for Linux on x86-64, by Python version: pip takes one of them on any machine."""

MEMBER = (
    "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
)
MEMBER_SHA256 = "a53f4648dec40467ebdcbc7a1307eddb51fe6e28e9309f6ebde81ba0d04bea2d"
NAME = "enwiki-excerpt.xml.bz2"


def fetch(folder: str) -> str:
    """Put the excerpt into a folder, unless it is there.

    Returns:
        Its path.

    Raises:
        ValueError: pip cannot get the wheel, or a digest is not the expected one.
    """
    path = storage.join(folder, NAME)
    if storage.exists(path):
        if identity.digest(storage.read_bytes(path)) == MEMBER_SHA256:
            return path
        raise ValueError(f"{path}: not the excerpt (its sha256 is wrong); remove it and try again")
    with tempfile.TemporaryDirectory() as scratch:
        wheel = _download(Path(scratch))
        expected = WHEEL_SHA256[_python_tag()]
        found = identity.digest(wheel.read_bytes())
        if found != expected:
            raise ValueError(f"{wheel.name}: sha256 {found}, should be {expected}")
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(MEMBER)
    found = identity.digest(data)
    if found != MEMBER_SHA256:
        raise ValueError(f"{MEMBER}: sha256 {found}, should be {MEMBER_SHA256}")
    storage.write_bytes(path, data)
    return path


def _python_tag() -> str:
    tag = f"cp3{sys.version_info.minor}"
    return tag if tag in WHEEL_SHA256 else "cp311"


def _download(folder: Path) -> Path:
    """Let pip fetch the wheel for Linux on x86-64: only its test data is wanted."""
    tag = _python_tag()
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in (17, 24, 28)] + ["manylinux2014_x86_64"]
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"),
        *("--only-binary", ":all:", "--implementation", "cp"),
        *("--python-version", tag.removeprefix("cp3").join(("3.", ""))),
        *("--abi", tag),
        *(option for platform in platforms for option in ("--platform", platform)),
        *("--dest", str(folder), WHEEL),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("gensim-*.whl"))
    if done.returncode or not wheels:
        raise ValueError(
            f"pip could not download {WHEEL}: {done.stderr.strip()[-500:]}\n"
            "check the network and pip's configuration, or name a dump of your own: "
            "make demo DUMP=path/to/pages-articles.xml.bz2"
        )
    return wheels[0]
