"""A run of an experiment: its folder, and stages that are done only once."""

import json
import os
import shutil
import time
import uuid

_POLL_SECONDS = 0.2


class Run:
    """An output folder with finished stages.

    A stage is finished when `stages/<name>.json` exists; it holds the facts
    that the stage returned, and is written after all its files. A second run
    with the same folder skips finished stages. Checkpoints of a stage, in the
    folder `checkpoints`, are deleted when it is finished.

    Of several processes that run the same stages together, one is the chief:
    it writes, and the others take its facts.

    Args:
        output_dir: Folder; made if missing.
        flagfile: Text that repeats the run. A folder of a run with other
            settings is refused.
        is_chief: Boolean, whether this process writes.

    Raises:
        ValueError: If the folder cannot be written, or belongs to a run with
            other settings.
    """

    def __init__(self, output_dir, flagfile, is_chief=True):
        self.is_chief = is_chief
        self.output_dir = os.path.abspath(os.path.expanduser(output_dir))
        self._make_folder()
        path = self.path("flagfile")
        if is_chief and not os.path.exists(path):
            self.write_text(path, flagfile)
        self._wait_for(path)
        with open(path) as file:
            before = file.read()
        changed = sorted(set(flagfile.splitlines()) ^ set(before.splitlines()))
        if changed:
            raise ValueError(
                f"The folder {self.output_dir!r} belongs to a run with other "
                "settings; nothing was overwritten. Expected the same flags "
                f"or a new --output_dir. The difference: {', '.join(changed)}"
            )

    def _make_folder(self):
        try:
            os.makedirs(os.path.join(self.output_dir, "stages"), exist_ok=True)
            # Several processes may begin at once in the same folder.
            probe = self.path("stages", f".writable_{uuid.uuid4().hex}")
            with open(probe, "w"):
                os.remove(probe)
        except OSError as error:
            raise ValueError(
                "Invalid value received for flag --output_dir. Expected a "
                f"folder that can be written. Received: {self.output_dir!r} "
                f"({error}). Choose another folder or change its permissions."
            ) from error

    def path(self, *names):
        """Returns a path inside the folder."""
        return os.path.join(self.output_dir, *names)

    def results(self):
        """Returns what is in `results.json`; `None` before that is there."""
        path = self.path("results.json")
        return _read_json(path) if os.path.exists(path) else None

    def stage(self, name, function, alone=False):
        """Returns the facts of a stage, running it if it is not finished.

        Args:
            name: String.
            function: Function without arguments that does the stage's work
                and returns its facts, a JSON-able dictionary.
            alone: Boolean, whether the chief does it alone, since replicas
                have no part in it.

        Returns:
            The facts, with `seconds` added.
        """
        path = self.path("stages", f"{name}.json")
        if os.path.exists(path):
            print(f"{name}: done before", flush=True)
            return _read_json(path)
        if alone and not self.is_chief:
            return self.wait(name)
        print(f"{name} ...", flush=True)
        start = time.perf_counter()
        facts = dict(function())
        if not self.is_chief:
            return self.wait(name)
        facts["seconds"] = time.perf_counter() - start
        self.write_json(path, facts)
        shutil.rmtree(self.path("checkpoints"), ignore_errors=True)
        print(f"{name}: done in {facts['seconds']:.1f} s", flush=True)
        return facts

    def wait(self, name):
        """Waits until another process has finished a stage.

        Args:
            name: String.

        Returns:
            The facts of the stage.
        """
        path = self.path("stages", f"{name}.json")
        self._wait_for(path)
        return _read_json(path)

    def wait_for_results(self):
        """Waits until another process has written `results.json`."""
        self._wait_for(self.path("results.json"))

    def _wait_for(self, path):
        if not os.path.exists(path):
            name = os.path.basename(path)
            print(f"Waiting for {name} of another process", flush=True)
        while not os.path.exists(path):
            time.sleep(_POLL_SECONDS)

    def write_json(self, path, data):
        """Writes a JSON file, at once or not at all; only of the chief."""
        self.write_text(path, json.dumps(data, indent=1) + "\n")

    def write_text(self, path, text):
        """Writes a text file, at once or not at all; only of the chief."""
        if not self.is_chief:
            return
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        with open(temporary, "w") as file:
            file.write(text)
        os.replace(temporary, path)

    def save(self, item, name):
        """Saves a Keras model or an `Architecture`, at once or not at all.

        Args:
            item: What has the method `save`.
            name: String, where in the folder. Only the chief writes it.
        """
        if not self.is_chief:
            return
        folder, file = os.path.split(self.path(name))
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, f"unfinished_{file}")
        item.save(temporary)
        os.replace(temporary, self.path(name))


def _read_json(path):
    with open(path) as file:
        return json.load(file)
