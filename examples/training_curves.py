"""Draw the training curves of one or more training folders; those that differ by their seeds only become one curve.

Run with: python examples/training_curves.py runs/ppo-0 runs/ppo-1 --out curves.png (needs the extra "plots").
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cosim import plots
from cosim.errors import CosimError

parser = argparse.ArgumentParser(description="Draw TTT, CVV and WCT over the epochs of trainings.")
parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="what `cosim train --out` named")
parser.add_argument("--out", required=True, type=Path, metavar="FILE.png", help="the picture to write")
parser.add_argument("--window", type=int, default=10, help="epochs of the running mean (10)")
arguments = parser.parse_args()

if not plots.installed():
    sys.exit(f"matplotlib is missing: {plots.HOW_TO_INSTALL} installs it.")
try:
    plots.plot_training(arguments.folders, window=arguments.window).savefig(arguments.out, dpi=110)
except (CosimError, OSError, ValueError) as error:  # a ValueError: matplotlib cannot write such a file
    sys.exit(str(error))
print(arguments.out)
