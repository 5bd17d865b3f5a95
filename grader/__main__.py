"""`python -m grader`."""

import sys

if __name__ == "__main__":
    try:
        from grader.cli import main

        sys.exit(main(sys.argv[1:]))
    except ModuleNotFoundError as error:
        if "." in (error.name or "."):  # a part of a package that is there: a fault of ours
            raise
        from grader.packages import lacking, said_of

        print(f"error: packages are {said_of(lacking() or [error.name or str(error)])}", file=sys.stderr)
        sys.exit(2)
