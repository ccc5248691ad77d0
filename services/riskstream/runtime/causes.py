"""What the exception of a reader says of a file, as the middle of one sentence."""

import os


def cause(error: Exception) -> str:
    """In one line, and without the file's path, which the sentence names at its end; of YAML with
    line and column.
    """
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem and mark is not None:
        return " ".join(f"{problem}, line {mark.line + 1}, column {mark.column + 1}".split())
    said = (line.strip() for line in str(error).splitlines() if line.strip())
    return next(said, type(error).__name__).rstrip(".")
