"""Mistakes that a person can mend."""


class UserError(Exception):
    """One line for a person: what is wrong, where, and how to mend it. Command lines print it and exit with 2."""
