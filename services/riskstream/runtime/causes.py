"""What the exception of a reader says of a file, as the middle of one sentence."""

import os

_MOST_LETTERS = 300


def cause(error: Exception) -> str:
    """In one short line, and without the file's path, which the sentence names at its end; of YAML
    with line and column.
    """
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem and mark is not None:
        return " ".join(f"{problem}, line {mark.line + 1}, column {mark.column + 1}".split())
    said = (line.strip() for line in str(error).splitlines() if line.strip())
    return shown_in_line(next(said, type(error).__name__).rstrip("."), _MOST_LETTERS)


def shown_in_line(text: str, most: int) -> str:
    """A text of somebody's file in a sentence: cut behind `most` letters, and ? for each that
    cannot be shown.
    """
    cut = text if len(text) <= most else f"{text[:most]}..."
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)
