"""Functions compiled by numba, kept on disk, and never older than their sources.

numba keeps machine code beside a file and looks at that file's date alone; a kernel that calls one
of another file would outlive its change. So the folder is named by the content of all kernels. It
lies in the package's __pycache__, in the user's cache, or, where neither can be written, in a
temporary folder; NUMBA_CACHE_DIR goes first.
"""

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import config


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function at its first call; it runs without the interpreter's lock.

    Integers wrap around and nothing is checked: an index out of range is a fault of ours.
    """
    settings: Any = config
    before = settings.CACHE_DIR
    # numba takes the folder from here while it decorates.
    settings.CACHE_DIR = _folder()
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        settings.CACHE_DIR = before


def is_compiled() -> bool:
    """Tell whether an earlier process has compiled the larger kernels on this machine."""
    return any(Path(_folder()).rglob("measure_kernel*.nbc"))


@functools.cache
def _folder() -> str:
    here = Path(__file__).parent
    digest = hashlib.sha256()
    # What kernels hold as constants counts too.
    others = (
        "text/codepoints",
        "compiled",
        "measure/metric_table",
        "text/pii",
        "text/sentences",
        "text/token_rule",
    )
    paths = [here / f"{name}.py" for name in others]
    for path in sorted(here.rglob("*_kernel.py")) + paths:
        digest.update(path.read_bytes())
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    named = os.environ.get("NUMBA_CACHE_DIR")
    for parent in (*([named] if named else []), here / "__pycache__", Path(home) / "gristmill"):
        folder = Path(parent) / f"kernels-{digest.hexdigest()[:12]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
        except OSError:
            continue
    return tempfile.mkdtemp(prefix="gristmill-kernels-")
