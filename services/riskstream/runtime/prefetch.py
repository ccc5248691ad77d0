"""Software prefetch for kernels."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def prefetch(typing, array, row):  # type: ignore[no-untyped-def]  # noqa: ARG001  numba passes all
    """Ask for the cache line of array[row, 0] (LLVM's llvm.prefetch, for reading, to stay); nothing
    is read.
    """

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        kind = signature.args[0]
        held = context.make_array(kind)(context, builder, given[0])
        strides = cgutils.unpack_tuple(builder, held.strides, kind.ndim)
        start = builder.ptrtoint(held.data, ir.IntType(64))
        where = builder.inttoptr(
            builder.add(start, builder.mul(given[1], strides[0])), ir.PointerType(ir.IntType(8))
        )
        word = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [where.type, word, word, word])
        ask = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0i8")
        builder.call(ask, [where, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate
