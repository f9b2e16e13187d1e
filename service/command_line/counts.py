"""Numbers with their nouns, for the messages of commands."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun.

    Args:
        number: How many there are.
        singular: The noun for 1, with the words after it.
        plural: The noun for other numbers; by default, the singular with an s.

    >>> counted(1, "recording"), counted(0, "recording"), counted(2, "row names", "rows name")
    ('1 recording', '0 recordings', '2 rows name')
    """
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"
