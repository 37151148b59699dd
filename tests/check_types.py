"""Whether every public name of dnzoo has a known type; `make lint` runs it.

basedpyright --verifytypes looks at what a user of the package sees. Keras has no types of its own, so that
a class that derives from one of Keras's has a base that is not known: that alone is let pass.
"""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
OF_KERAS = ("Type of base class", "Type of metaclass")


def main() -> int:
    """Print what is not known, a line each; the exit status."""
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable]
    command += ["--ignoreexternal", "--outputjson", "--verifytypes", "dnzoo"]
    # the packages beside it, which it would look for where the environment was made from
    paths = [str(ROOT), sysconfig.get_paths()["purelib"]]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    except (ValueError, KeyError):
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        return 2
    unknown = []
    for symbol in found:
        said = [
            d["message"].splitlines()[0] for d in symbol["diagnostics"] if d["severity"] == "error"
        ]
        bad = [message for message in said if not message.startswith(OF_KERAS)]
        if bad and symbol["isExported"]:
            unknown.append(f"{symbol['name']}: {'; '.join(bad)}")
    print("\n".join(unknown) or f"All {len(found)} public names have known types.")
    return int(bool(unknown))


if __name__ == "__main__":
    sys.exit(main())
