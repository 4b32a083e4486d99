"""The one exception for mistakes of the user's."""


class InputError(ValueError):
    """What was given cannot be used; the message is one sentence with the value seen, what was expected, what to do.

    The command line prints it and ends with status 2. Everything else that is raised is a fault of the library's.
    """
