"""`python main.py fit --config configs/quickstart.yaml`, and validate, test, predict, look, gallery. See README.md."""

import sys

from project.support.errors import exit_status
from project.training.help_text import HELP


def main(args: list[str]) -> int:
    """Run a command. Returns the exit status."""
    if args in ([], ["-h"], ["--help"]):
        print(HELP)  # before torch is imported, which takes seconds
        return 0 if args else 2
    if args[0] == "gallery":
        from project.studies.gallery import main as draw_gallery

        return exit_status(draw_gallery, args[1:])
    if args[0] == "look":
        from project.studies.look import main as look

        return exit_status(look, args[1:])
    from project.training.command_line import main as run

    return exit_status(run, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
