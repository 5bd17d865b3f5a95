"""argparse, with one line for a mistake as everywhere here."""

import argparse
import re
from typing import NoReturn

from project.support.errors import UserError
from project.support.wording import did_you_mean


class ArgumentParser(argparse.ArgumentParser):
    """One whose mistakes are UserErrors, in one line, in place of the usage and an exit."""

    def error(self, message: str) -> NoReturn:
        """Raise UserError with the command's name, what argparse says, and the nearest choice or where to read more."""
        hint = f"; see {self.prog} --help"
        if found := re.search(r"^(.*invalid choice: '?([^' ]*)'?) \(choose from (.*)\)$", message):
            choices = re.findall(r"[\w.-]+", found[3])
            if meant := did_you_mean(found[2], choices):
                message, hint = found[1], meant
            else:
                hint = ""
        raise UserError(f"{self.prog.rpartition(' ')[2]}: {message}{hint}")
