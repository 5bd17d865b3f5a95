"""`python main.py fit --config configs/quickstart.yaml`, and validate, test, predict, look, study, compare, gallery, completion. See README.md."""

import sys
from collections.abc import Sequence
from functools import partial

try:
    from project import __version__
    from project.support.errors import UserError, exit_status
    from project.support.progress import importing_torch
    from project.training.completion import main as complete
    from project.training.configuration import read_arguments
    from project.training.help_text import HELP, settings_page
    from project.training.known_settings import COMMANDS, FIND_LR
except ModuleNotFoundError as error:
    if (error.name or "project").startswith("project"):  # a fault of ours
        raise
    cure = "make quickstart installs it into .venv, and . .venv/bin/activate takes that one"
    print(f"error: {sys.executable} has no package {error.name}; {cure}", file=sys.stderr)
    sys.exit(2)


def main(args: list[str]) -> int:
    """Run a command. Returns the exit status."""
    if args in ([], ["-h"], ["--help"]):
        print(HELP)  # before torch is imported, which takes seconds
        return 0 if args else 2
    if args == ["--version"]:
        print(f"Fifteen Epochs {__version__}")
        return 0
    if args[0] == "gallery":
        importing_torch()
        from project.studies.gallery import main as draw_gallery

        return exit_status(draw_gallery, args[1:])
    if args[0] in ("study", "compare"):
        from project.studies.study import main as study

        return exit_status(partial(study, command=args[0]), args[1:])
    if args[0] == "fit" and FIND_LR not in args and seeds_of(args):
        from project.studies.study import main as study

        return exit_status(partial(study, command="fit"), args[1:])
    if args[0] == "completion":
        return exit_status(complete, args[1:])
    return exit_status(checked, args)


def seeds_of(args: Sequence[str]) -> bool:
    """Whether several seeds are asked for."""
    return any(word.partition("=")[0] == "--seeds" for word in args)


def checked(args: Sequence[str]) -> int:
    """Run a command on a configuration, if nothing is wrong with it at first sight."""
    from project.training.early_mistakes import check

    find_lr = args[0] == "fit" and FIND_LR in args
    args = [word for word in args if word != FIND_LR] if find_lr else args
    if find_lr and seeds_of(args):
        raise UserError(
            f"{FIND_LR}: tests rates in one training, and does not go with --seeds; leave one of the two out"
        )
    if args[0] in COMMANDS and read_arguments(args[1:]).help in (["-h"], ["--help"]):
        print(settings_page(args[0]))  # without torch, too
        return 0
    check(args)
    importing_torch()
    if args[0] == "look":
        from project.studies.look import main as look

        return look(args[1:])
    if find_lr:
        from project.studies.rate_range import main as test_rates

        return test_rates(args[1:])
    from project.training.command_line import main as run

    return run(args)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
