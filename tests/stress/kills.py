"""Kill a run at a random moment: the old state is found, or the new; the next run succeeds."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.stress.power_loss import check_stages, prepare_stages
from tests.stress.rounds import Row, main, repeat

# Behind the packages: where the wheel is tested, the checkout's is not to take its place.
RUN = """
import sys
from pathlib import Path
sys.path.append(sys.argv[2])
from tests.stress.power_loss import run_stages
print("begins", flush=True)
run_stages(Path(sys.argv[1]))
print("ended", flush=True)
"""
ROOT = Path(__file__).resolve().parents[2]
LONGEST = 0.6  # seconds; a whole run takes a part of it on an idle machine


def one_round(number: int) -> str:
    """Kill one run; return what was found."""
    rng = random.Random(number)
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        root = Path(name, "disk")
        root.mkdir()
        prepare_stages(root)
        words = [sys.executable, "-c", RUN, str(root), str(ROOT)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, LONGEST))
            process.kill()
        return check_stages(root)


def run(rounds: int) -> Row:
    return repeat("Kill of a run at a random moment", rounds, one_round)


if __name__ == "__main__":
    sys.exit(main(run, 50))
