"""Compiled kernels: explicit signatures, kept in numba's cache, compiled in set-up and never at
import.
"""

from collections.abc import Callable
from typing import Any

from riskstream.runtime.steps import Steps, untold

_KERNELS: list["Kernel"] = []


class Kernel:
    """A function that numba compiles for its signatures on its first call, or when `compile_all`
    runs.

    One that `allocates` no array is compiled without numba's counting of references: it counts each
    array at each inlined call, atomically, which is half of a kernel's time where it has several
    helpers (`repeats_kernel`).
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signatures: tuple[str, ...],
        *,
        allocates: bool = True,
        nogil: bool = False,
    ) -> None:
        self.function = function
        self.signatures = signatures
        self._options: dict[str, bool] = {} if allocates else {"_nrt": False}
        if nogil:
            self._options["nogil"] = True
        self._compiled: Callable[..., Any] | None = None
        _KERNELS.append(self)

    def __call__(self, *args: Any) -> Any:
        return (self._compiled or self.compile())(*args)

    def compile(self) -> Callable[..., Any]:
        """Compile, or load from the cache."""
        if self._compiled is None:
            import numba  # here, so that importing a kernel's module stays cheap

            # off by default; kernels that handle rows side by side need it
            numba.config.SLP_VECTORIZE = 1
            # NUMBA_BOUNDSCHECK=1 goes over this, with a cache of its own (NUMBA_CACHE_DIR): `make
            # test-bounds`.
            self._compiled = numba.njit(
                list(self.signatures),
                cache=True,
                boundscheck=False,
                error_model="numpy",
                **self._options,
            )(self.function)
        return self._compiled


def kernel(
    *signatures: str, allocates: bool = True, nogil: bool = False
) -> Callable[[Callable[..., Any]], Kernel]:
    """Declare a kernel with its numba signatures, and whether it makes arrays. `nogil`: other
    threads run meanwhile, as it waits.

    Its helpers must stand in the same file: numba's cache looks there.
    """
    return lambda function: Kernel(function, signatures, allocates=allocates, nogil=nogil)


def compile_all(steps: Steps = untold) -> int:
    """Compile every kernel of the modules imported so far; how many there are."""
    with steps("kernels", len(_KERNELS)) as advance:
        for each in _KERNELS:
            each.compile()
            advance(1)
    return len(_KERNELS)
