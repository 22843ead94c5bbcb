"""Steps without the seconds that their libraries take to load: forked from a process that has them.

For fuzzers that run thousands of jobs. `served` yields an environment for Snakemake in which bash,
which runs the jobs, calls a small client instead of Python. The client hands its arguments,
folder, environment and streams to the server and ends as the forked step ends; killed, it takes
the step with it.
"""

import array
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIBRARIES = (
    *("numpy", "polars", "pyarrow.parquet", "rasterio.features", "shapely", "pyproj", "pyogrio"),
    *("lmdb", "safetensors.numpy", "defusedxml.ElementTree", "yaml", "jsonschema", "blake3"),
)


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """Serve steps; yield what the environment of Snakemake needs for it."""
    with tempfile.TemporaryDirectory(prefix="reben-fork-") as folder:
        place = Path(folder, "socket")
        profile = Path(folder, "bash_env")
        client = f"{sys.executable} -S -E {Path(__file__).resolve()} client {place}"
        profile.write_text(f'python() {{ {client} "$@"; }}\n')
        server = subprocess.Popen([sys.executable, __file__, "server", str(place)])
        try:
            while not place.exists():
                time.sleep(0.05)
            yield {"BASH_ENV": str(profile)}
        finally:
            server.kill()
            server.wait()


def serve(place: str) -> None:
    """Fork a step for every client, for ever."""
    for name in _LIBRARIES:
        __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(64)
        while True:
            client, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                step(client)
            client.close()


def step(client: socket.socket) -> None:
    """Be the step that a client asks for, and tell it the exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    streams = array.array("i")
    message, ancillary, _, _ = client.recvmsg(1 << 20, socket.CMSG_LEN(3 * streams.itemsize))
    streams.frombytes(ancillary[0][2])
    while not message.endswith(b"\n"):
        message += client.recv(1 << 20)
    asked = json.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    threading.Thread(target=end_with, args=(client,), daemon=True).start()
    sys.path[:0] = asked["environment"].get("PYTHONPATH", "").split(os.pathsep)
    _, module, *arguments = asked["arguments"]  # -m module ...
    sys.argv = [module, *arguments]
    status = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        else:
            status = end.code or 0
    except BaseException:  # as Python does with what nobody catches
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    client.sendall(bytes([status]))
    os._exit(status)


def end_with(client: socket.socket) -> None:
    """End at once when the client does."""
    if not client.recv(1):
        os.kill(os.getpid(), signal.SIGKILL)


def ask(place: str, arguments: list[str]) -> int:
    """Have a step run; its exit status."""
    asked = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(place)
        streams = array.array("i", [0, 1, 2])
        data = json.dumps(asked).encode() + b"\n"
        sent = server.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams.tobytes())])
        server.sendall(data[sent:])
        answer = server.recv(1)
    return answer[0] if answer else 137


if __name__ == "__main__":
    role, socket_place, *rest = sys.argv[1:]
    sys.exit(serve(socket_place) if role == "server" else ask(socket_place, rest))
