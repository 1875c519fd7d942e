"""The error a person can act on."""


class InputError(ValueError):
    """What is wrong with a file or an option, in one line; the command prints it and exits with 2."""
