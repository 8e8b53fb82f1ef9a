"""Workers of the fuzz bench that fail, in a module that a process of its own imports at once."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

from a2m2.bench.fuzzing.place import Place


def doomed(connection: Connection, place: Place, work: Path, findings: Path) -> None:
    """A worker that dies over input 3, does not come back from input 5 and is ended from outside over input 10."""
    (work / "files").mkdir()
    (work / "files" / "a.txt").write_text("damaged")
    connection.send(None)
    while True:
        chunk = connection.recv()
        place.reset()
        for index in range(chunk.first, chunk.end):
            (work / "now").write_text(f"{work / 'files'}\na.txt")
            place.begin(index, 0.5)
            if index == 3:
                os._exit(7)
            if index == 5:
                time.sleep(60)
            if index == 10:
                os.kill(os.getpid(), signal.SIGTERM)
            place.rest()
            place.count("accepted")
        connection.send(place.counted())
