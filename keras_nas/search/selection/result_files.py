"""Results in files that several processes write and read at once."""

import json
import os
import pathlib

_FORMAT = "keras_nas.Evaluations"
_VERSION = 1


class ResultFiles:
    """Lines of JSON, a file for each worker, read together.

    Each worker writes to its own file only, a line at a time, and reads those
    of all. What a killed process left of a line is no result: readers leave it
    alone, and its worker cuts it off before it goes on. The first line says
    what the results are of.

    Args:
        folder: Path of the folder; made if missing.
        worker: Integer, the number in the name of the own file.
        header: Dictionary that JSON can hold, what the results are of.

    Attributes:
        path: `pathlib.Path` of the own file.
    """

    def __init__(self, folder, worker, header):
        self._folder = pathlib.Path(folder)
        self.path = self._folder / f"evaluations_{worker}.jsonl"
        header = {"format": _FORMAT, "version": _VERSION, **header}
        self._header = json.loads(json.dumps(header))
        self._ends, self._file = {}, None
        self._folder.mkdir(parents=True, exist_ok=True)

    def read(self):
        """Returns what is new in the files of all workers.

        Returns:
            List of the dictionaries that were not returned or written yet.

        Raises:
            ValueError: If a file is of something else, or damaged.
        """
        records = []
        for path in sorted(self._folder.glob("evaluations_*.jsonl")):
            records += self._read_file(path)
        return records

    def append(self, record):
        """Writes a dictionary; it is on the disk when this returns."""
        if self._file is None:
            self._file = self._open()
        self._write(record)

    def _open(self):
        """Opens the own file behind its last whole line."""
        data = self.path.read_bytes() if self.path.exists() else b""
        end = data.rfind(b"\n") + 1
        if end < len(data):
            os.truncate(self.path, end)
        self._file = open(self.path, "ab")
        if end == 0:
            self._write(self._header)
        return self._file

    def _write(self, record):
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._ends[self.path] = self._file.tell()

    def _read_file(self, path):
        start = self._ends.get(path, 0)
        with open(path, "rb") as file:
            file.seek(start)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        self._ends[path] = start + len(data)
        try:
            records = [json.loads(line) for line in data.splitlines()]
        except ValueError as error:
            raise ValueError(
                f"The file {str(path)!r} is damaged: a line is not JSON "
                f"({error}). Remove the line, or the file."
            ) from error
        if start == 0 and records:
            self._check(path, records.pop(0))
        return records

    def _check(self, path, header):
        if header == self._header:
            return
        header = header if isinstance(header, dict) else {}
        keys = [k for k in self._header if header.get(k) != self._header[k]]
        difference = "; ".join(
            f"{key}: expected {str(self._header[key])[:100]}, received "
            f"{str(header.get(key))[:100]}"
            for key in keys
        )
        raise ValueError(
            "Invalid value received for argument `folder`. Expected a new "
            "folder, or one with evaluations of the same space and source. "
            f"Received: {str(path)!r} with another {difference}. Nothing was "
            "overwritten"
        )
