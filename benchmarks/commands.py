"""Trainings that a benchmark needs, as commands of the recipes; one that is finished is not run again."""

import shlex
import subprocess
import sys

from dnzoo.storage import pretrained


def run(recipe, switches, out):
    """Run `recipes/<recipe>.py` into the folder `out`; its output goes to `out`.log.

    Returns:
        (the command, the metrics on the test split, the provenance).

    Raises:
        RuntimeError: when the command fails.
    """
    command = ["python", f"recipes/{recipe}.py", *shlex.split(switches), "--out", str(out)]
    if not (out / "predictions.png").is_file():
        print(shlex.join(command), flush=True)
        log = out.with_name(f"{out.name}.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "w") as file:
            done = subprocess.run([sys.executable, *command[1:]], stdout=file, stderr=file)
        if done.returncode:
            raise RuntimeError(f"the command failed; see {log}.")
    meta = pretrained.read_meta(out / "saved_model")
    return shlex.join(command), meta["metrics"], meta["provenance"]
