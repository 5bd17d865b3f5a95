"""`python main.py fit --config configs/quickstart.yaml`, and validate, test, predict, gallery. See README.md."""

import sys

from project.usage import USAGE

if __name__ == "__main__":
    if sys.argv[1:] in ([], ["-h"], ["--help"]):
        print(USAGE)  # before torch is imported, which takes seconds
        sys.exit(0 if sys.argv[1:] else 2)
    from project.cli import main

    sys.exit(main(sys.argv[1:]))
