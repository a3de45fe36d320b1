"""The child process that holds one model: llama.cpp's HTTP server on a free port of loopback.

The parent writes one line of JSON settings to standard input and reads the server's address from
standard output, once the model is loaded. Standard input stays open: its end is the parent's end,
and then this process ends too. The log goes to standard error.
"""

import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any

PR_SET_PDEATHSIG = 1


def main() -> None:
    _die_with_parent()
    address_out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever llama.cpp prints belongs into the log
    settings = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    server = serve(settings)
    print(server.listening_address, file=address_out, flush=True)
    threading.Event().wait()


def serve(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["name"]}
    params.api_keys = [settings["key"]]
    params.port = 0
    params.n_ctx = settings["cache_tokens"]
    params.kv_unified = True  # slots share the cache: one may fill its context, four need not
    params.n_parallel = settings["slots"]
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["threads"]
    params.cache_ram_mib = 256  # of prompts kept beside the slots; llama.cpp would take 8 GiB
    params.ui = False
    params.verbosity = 2
    return xllamacpp.Server(params)


def _die_with_parent() -> None:
    """Ask Linux for a kill when the parent ends, even while the engine holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
