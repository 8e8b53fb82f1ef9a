"""Sixteen numbers at once, as one value inside Numba code.

Numba vectorises plain loops well when they are long. The loops of a small transport problem are 14 steps
long, and there the run-time checks and scalar remainders of an automatic vectoriser cost more than the work.
This module gives Numba a value type, :class:`Lanes`, which is LLVM's ``<16 x T>`` (``T`` one of float32,
float64, int32), and the few operations that the solver needs on it. LLVM maps them to whatever the machine
has (AVX-512, AVX2, SSE, NEON); nothing here names an instruction set.

Sets of lanes are plain ``int64`` bit sets: bit ``k`` stands for lane ``k``.
All operations are for use inside ``numba.njit`` functions only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

WIDTH = 16
"""Number of lanes; rows and columns of work arrays are padded to multiples of it."""

ALL_LANES = (1 << WIDTH) - 1
"""Bit set of every lane."""

LARGEST = np.int32(0x7FFFFFFF)
"""Above the pattern of every float that is not negative, and every number of a lane."""

_ELEMENTS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.int32: ir.IntType(32)}
_BITS = ir.IntType(WIDTH)
_FLAGS = ir.VectorType(ir.IntType(1), WIDTH)
_INT64 = ir.IntType(64)


class Lanes(types.Type):
    """Numba type of sixteen ``element`` values."""

    def __init__(self, element: types.Type) -> None:
        self.element = element
        super().__init__(name=f"Lanes({element})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, _vector(lanes.element))


def _vector(element: types.Type) -> ir.VectorType:
    return ir.VectorType(_ELEMENTS[element], WIDTH)


def _splat(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    vector = ir.VectorType(value.type, WIDTH)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)


def _to_flags(builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
    return builder.bitcast(builder.trunc(bits, _BITS), _FLAGS)


def _to_bits(builder: ir.IRBuilder, flags: ir.Value) -> ir.Value:
    return builder.zext(builder.bitcast(flags, _BITS), _INT64)


def _call(builder: ir.IRBuilder, name: str, result: ir.Type, arguments: list[ir.Value]) -> ir.Value:
    function_type = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), arguments)


def _address(
    context: Any, builder: ir.IRBuilder, array_type: types.Array, array: Any, offset: Any
) -> ir.Value:
    data = context.make_array(array_type)(context, builder, array).data
    pointer = builder.gep(data, [offset])
    return builder.bitcast(pointer, _vector(array_type.dtype).as_pointer())


def _bytes(element: Any) -> int:
    return int(element.bitwidth) // 8


@intrinsic
def load(typingctx: Any, array: Any, offset: Any) -> Any:
    """Sixteen values of a contiguous array from flat position ``offset`` on."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _address(context, builder, signature.args[0], *arguments)
        return builder.load(pointer, align=_bytes(signature.args[0].dtype))

    return Lanes(array.dtype)(array, types.int64), codegen


@intrinsic
def store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write sixteen values into a contiguous array from flat position ``offset`` on."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _address(context, builder, signature.args[0], arguments[0], arguments[1])
        builder.store(arguments[2], pointer, align=_bytes(signature.args[0].dtype))
        return context.get_dummy_value()

    return types.void(array, types.int64, value), codegen


@intrinsic
def fill(typingctx: Any, value: Any) -> Any:
    """The same scalar in every lane; integers of any width become int32 lanes."""
    element = types.int32 if isinstance(value, types.Integer) else value

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _splat(builder, context.cast(builder, arguments[0], signature.args[0], element))

    return Lanes(element)(value), codegen


@intrinsic
def lane_numbers(typingctx: Any) -> Any:
    """0, 1, … 15 as int32."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(_vector(types.int32), list(range(WIDTH)))

    return Lanes(types.int32)(), codegen


def _binary(operation: Callable[[ir.IRBuilder, types.Type, ir.Value, ir.Value], ir.Value], doc: str) -> Any:
    def typed(typingctx: Any, left: Any, right: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return operation(builder, signature.args[0].element, *arguments)

        return left(left, right), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


def _add(builder: ir.IRBuilder, element: types.Type, left: ir.Value, right: ir.Value) -> ir.Value:
    return builder.add(left, right) if element == types.int32 else builder.fadd(left, right)


def _lesser(builder: ir.IRBuilder, element: types.Type, left: ir.Value, right: ir.Value) -> ir.Value:
    compare = builder.icmp_signed if element == types.int32 else builder.fcmp_ordered
    return builder.select(compare("<", left, right), left, right)


def _larger(builder: ir.IRBuilder, element: types.Type, left: ir.Value, right: ir.Value) -> ir.Value:
    return builder.select(builder.fcmp_ordered(">", left, right), left, right)


def _greater_unsigned(
    builder: ir.IRBuilder, element: types.Type, left: ir.Value, right: ir.Value
) -> ir.Value:
    return builder.select(builder.icmp_unsigned(">", left, right), left, right)


plus = _binary(_add, "Sum, lane by lane.")
minus = _binary(
    lambda builder, _, left, right: builder.fsub(left, right), "Difference of floats, lane by lane."
)
times = _binary(lambda builder, _, left, right: builder.fmul(left, right), "Product of floats, lane by lane.")
lesser = _binary(_lesser, "The smaller of two, lane by lane.")
larger = _binary(_larger, "The larger of two floats, lane by lane.")
greater_unsigned = _binary(_greater_unsigned, "The larger of two int32 read as unsigned, lane by lane.")
bit_and = _binary(lambda builder, _, left, right: builder.and_(left, right), "Bitwise and of int32.")
bit_or = _binary(lambda builder, _, left, right: builder.or_(left, right), "Bitwise or of int32.")


@intrinsic
def below(typingctx: Any, left: Any, right: Any) -> Any:
    """Bit set of the lanes where ``left < right``."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = signature.args[0].element == types.int32
        compare = builder.icmp_signed if integer else builder.fcmp_ordered
        return _to_bits(builder, compare("<", *arguments))

    return types.int64(left, right), codegen


@intrinsic
def choose(typingctx: Any, bits: Any, inside: Any, outside: Any) -> Any:
    """``inside`` in the lanes of ``bits``, ``outside`` elsewhere."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(_to_flags(builder, arguments[0]), arguments[1], arguments[2])

    return inside(types.int64, inside, outside), codegen


def _cast(target: types.Type, operation: str, doc: str) -> Any:
    def typed(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if signature.args[0].element == target:
                return arguments[0]
            return getattr(builder, operation)(arguments[0], _vector(target))

        return Lanes(target)(value), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


@intrinsic
def magnitude(typingctx: Any, value: Any) -> Any:
    """Absolute value of float64 lanes."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, f"llvm.fabs.v{WIDTH}f64", _vector(types.float64), [arguments[0]])

    return value(value), codegen


pattern = _cast(types.int32, "bitcast", "The bit patterns of float32 lanes, as int32.")
narrow = _cast(types.float32, "fptrunc", "To float32; float32 lanes are returned as they are.")
widen = _cast(types.float64, "fpext", "To float64; float64 lanes are returned as they are.")


def _reduce(name: str, element: types.Type, doc: str) -> Any:
    def typed(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _call(builder, name, _ELEMENTS[element], [arguments[0]])

        return element(value), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


least_int = _reduce(f"llvm.vector.reduce.smin.v{WIDTH}i32", types.int32, "The smallest of sixteen int32.")
greatest_unsigned = _reduce(
    f"llvm.vector.reduce.umax.v{WIDTH}i32", types.int32, "The largest of sixteen int32 read as unsigned."
)
least_double = _reduce(
    f"llvm.vector.reduce.fmin.v{WIDTH}f64", types.float64, "The smallest of sixteen float64."
)
greatest_double = _reduce(
    f"llvm.vector.reduce.fmax.v{WIDTH}f64", types.float64, "The largest of sixteen float64."
)


@intrinsic
def float_of(typingctx: Any, value: Any) -> Any:
    """The float32 whose bit pattern an int32 holds."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), codegen


@intrinsic
def count_bits(typingctx: Any, bits: Any) -> Any:
    """Number of members of an int64 bit set."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, "llvm.ctpop.i64", _INT64, [arguments[0]])

    return types.int64(types.int64), codegen
