"""Compiled kernels: explicit signatures, kept in numba's cache, compiled in set-up and never at import."""

from collections.abc import Callable
from typing import Any

_KERNELS: list["Kernel"] = []


class Kernel:
    """A function that numba compiles for its signatures on its first call, or when `compile_all` runs."""

    def __init__(self, function: Callable[..., Any], signatures: tuple[str, ...]) -> None:
        self.function = function
        self.signatures = signatures
        self._compiled: Callable[..., Any] | None = None
        _KERNELS.append(self)

    def __call__(self, *args: Any) -> Any:
        return (self._compiled or self.compile())(*args)

    def compile(self) -> Callable[..., Any]:
        """Compile, or load from the cache."""
        if self._compiled is None:
            import numba  # here, so that importing a kernel's module stays cheap

            numba.config.SLP_VECTORIZE = 1  # off by default; kernels that handle rows side by side need it
            # NUMBA_BOUNDSCHECK=1 goes over this, with a cache of its own (NUMBA_CACHE_DIR): `make test-bounds`.
            self._compiled = numba.njit(list(self.signatures), cache=True, boundscheck=False, error_model="numpy")(
                self.function
            )
        return self._compiled


def kernel(*signatures: str) -> Callable[[Callable[..., Any]], Kernel]:
    """Declare a kernel with its numba signatures. Its helpers must stand in the same file: numba's cache looks there."""
    return lambda function: Kernel(function, signatures)


def compile_all() -> int:
    """Compile every kernel of the modules imported so far; how many there are."""
    for each in _KERNELS:
        each.compile()
    return len(_KERNELS)
