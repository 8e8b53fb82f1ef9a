"""Arrays inside Numba code from addresses, so that Python hands over few things.

Every array that Python passes to compiled code is taken apart at each call. One takes a fraction of a microsecond,
ten times that where other work has emptied the caches, and the solver needs thirty of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import typeof
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numpy.typing import NDArray


@intrinsic
def array_at(typingctx: Any, address: Any, shape: Any, dtype: Any) -> Any:
    """The contiguous array of ``shape``, a tuple, that stands at ``address``; it owns nothing."""
    array_type = types.Array(dtype.dtype, len(shape), "C")

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _array(context, builder, array_type, arguments[0], cgutils.unpack_tuple(builder, arguments[1]))

    return array_type(types.int64, shape, dtype), codegen


def address_table(arrays: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Addresses and lengths of one-dimensional arrays, a row each; the arrays must outlive its use."""
    return np.array([(array.ctypes.data, array.size) for array in arrays], np.int64)


def arrays_at(example: tuple[NDArray[Any], ...]) -> Any:
    """The inverse of :func:`address_table` for use in Numba code: from a table to a named tuple like ``example``."""
    tuple_type = typeof(example)

    def typed(typingctx: Any, table: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            words = context.make_array(signature.args[0])(context, builder, arguments[0]).data

            def word(place: int) -> ir.Value:
                return builder.load(builder.gep(words, [context.get_constant(types.intp, place)]))

            arrays = [
                _array(context, builder, array_type, word(2 * row), [word(2 * row + 1)])
                for row, array_type in enumerate(tuple_type.types)
            ]
            return context.make_tuple(builder, tuple_type, arrays)

        return tuple_type(table), codegen

    typed.__doc__ = arrays_at.__doc__
    return intrinsic(typed)


def _array(context: Any, builder: Any, array_type: types.Array, address: Any, lengths: list[Any]) -> Any:
    element = context.get_data_type(array_type.dtype)
    strides = [context.get_constant(types.intp, context.get_abi_sizeof(element))]
    for length in reversed(lengths[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    array = context.make_array(array_type)(context, builder)
    populate_array(
        array,
        data=builder.inttoptr(address, element.as_pointer()),
        shape=lengths,
        strides=strides,
        itemsize=strides[-1],
        meminfo=None,
    )
    return array._getvalue()
