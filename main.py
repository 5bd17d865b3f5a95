"""`python main.py fit --config configs/quickstart.yaml`, and validate, test, predict. See README.md."""

import sys

from project.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
