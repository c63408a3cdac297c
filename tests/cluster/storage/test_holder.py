import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from cluster.storage.holder import Holder


def test_a_holder_is_read_as_it_was_written():
    holder = replace(Holder.of_this_process("r1"), renewals=3, predecessors=("r0",), changing=("ledger/a",))
    assert Holder.from_bytes(holder.to_bytes()) == holder


def test_the_first_format_knew_neither_releases_nor_files():
    written = json.loads(Holder.of_this_process("r1").to_bytes())
    first = {key: value for key, value in written.items() if key not in ("changing", "is_released")}
    found = Holder.from_bytes(json.dumps({**first, "schema_version": 1}).encode())
    assert (found.run_id, found.changing, found.is_released, found.schema_version) == ("r1", (), False, 2)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"schema_version": 3}', b"null"])
def test_anything_else_is_refused(content):
    with pytest.raises(ValueError, match=r"."):
        Holder.from_bytes(content)


def test_attempts_of_one_process_differ():
    first, second = Holder.of_this_process("r1"), Holder.of_this_process("r1")
    assert first.token != second.token
    assert first.is_on_machine_of(second)
    assert not first.is_on_machine_of(replace(second, machine="elsewhere"))
    assert not replace(first, machine="").is_on_machine_of(replace(second, machine=""))


def test_a_suspended_process_is_running_and_a_dead_one_is_not():
    program = (
        "from cluster.storage.holder import Holder; print(Holder.of_this_process('r1').to_bytes().hex(), flush=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"{program}; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    holder = Holder.from_bytes(bytes.fromhex(process.stdout.readline()))
    assert holder.pid == process.pid
    os.kill(process.pid, signal.SIGSTOP)
    assert holder.is_running()
    assert not replace(holder, process=f"{process.pid} 1").is_running(), "the id is another process's by now"
    process.kill()
    process.communicate()
    assert not holder.is_running()
