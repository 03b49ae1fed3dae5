"""A run of an experiment: its folder, and stages that are done only once."""

import json
import os
import time
import uuid

_POLL_SECONDS = 1.0


class Run:
    """An output folder with finished stages.

    A stage is finished when `stages/<name>.json` exists; it holds the facts
    that the stage returned, and is written after all its files. A second run
    with the same folder skips finished stages.

    Args:
        output_dir: Folder; made if missing.
        flagfile: Text that repeats the run. A folder of a run with other
            settings is refused.

    Raises:
        ValueError: If the folder cannot be written, or belongs to a run with
            other settings.
    """

    def __init__(self, output_dir, flagfile):
        self.output_dir = os.path.abspath(os.path.expanduser(output_dir))
        self._make_folder()
        path = self.path("flagfile")
        if not os.path.exists(path):
            self.write_text(path, flagfile)
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
            self.write_text(probe, "")
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
        if not os.path.exists(path):
            return None
        with open(path) as file:
            return json.load(file)

    def stage(self, name, function):
        """Returns the facts of a stage, running it if it is not finished.

        Args:
            name: String.
            function: Function without arguments that does the stage's work
                and returns its facts, a JSON-able dictionary.

        Returns:
            The facts, with `seconds` added.
        """
        path = self.path("stages", f"{name}.json")
        if os.path.exists(path):
            print(f"{name}: done before", flush=True)
            with open(path) as file:
                return json.load(file)
        print(f"{name} ...", flush=True)
        start = time.perf_counter()
        facts = dict(function())
        facts["seconds"] = time.perf_counter() - start
        self.write_json(path, facts)
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
        if not os.path.exists(path):
            print(f"{name}: waiting for another process", flush=True)
        while not os.path.exists(path):
            time.sleep(_POLL_SECONDS)
        with open(path) as file:
            return json.load(file)

    def write_json(self, path, data):
        """Writes a JSON file, at once or not at all."""
        self.write_text(path, json.dumps(data, indent=1) + "\n")

    def write_text(self, path, text):
        """Writes a text file, at once or not at all."""
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        with open(temporary, "w") as file:
            file.write(text)
        os.replace(temporary, path)

    def save_model(self, model, name):
        """Saves a Keras model, at once or not at all; returns its path."""
        path = self.path(name)
        folder, file = os.path.split(path)
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, f"unfinished_{file}")
        model.save(temporary)
        os.replace(temporary, path)
        return path
