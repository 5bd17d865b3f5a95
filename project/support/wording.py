"""Words for numbers."""


def counted(count: int, singular: str, plural: str = "") -> str:
    """`1 class`, `10 classes`; the plural is the singular with an s, unless it is given."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
