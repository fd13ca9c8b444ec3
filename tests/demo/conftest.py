"""The demo is scripts beside one another, as a reader would copy them: their folder goes on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "sso"))
