"""Equal weights: an auction finds a near-optimal assignment and its prices (Bertsekas 1979, 1988).

Where as many rows as columns have weight, and each as much as the next, a plan is an assignment. Columns have
prices. A row without a column takes the one that costs it least, price included, from whoever holds it, and raises
the price by what its second choice would have cost more, plus a step. When every row has a column, no row pays more
than a step above its cheapest choice: the assignment is within ``rows · step`` of the best. Steps fall from phase to
phase, and prices stay (ε-scaling); rows that still pay at most a step too much keep their columns.

Prices are float32, of scaled costs: they only propose. What a plan costs, and what it could cost at least, is worked
out in float64 from the caller's costs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from a2m2.ot.compiling import inlined
from a2m2.ot.intake import PADDING
from a2m2.ot.lanes import (
    ALL_LANES,
    LARGEST,
    WIDTH,
    below,
    choose,
    fill,
    float_of,
    lane_numbers,
    least_int,
    lesser,
    load,
    narrow,
    pattern,
    plus,
    store,
    times,
    widen,
)

PAIR = 2 * WIDTH
"""Columns are looked at in two streams of lanes, which do not wait for each other."""


class Auction(NamedTuple):
    """Arrays of one thread; ``stride`` is the number of columns, rounded up to a multiple of ``PAIR``.

    Attributes:
        cost: ``(rows * stride,)`` scaled to 1 at most, and 1 added, so that none is negative; padding is huge.
        price: ``(stride,)``.
        owner: ``(stride,)`` the row that holds a column, or -1.
        column: ``(rows,)`` the column that a row holds, or -1.
        waiting: ``(rows,)`` stack of rows without a column.
    """

    cost: NDArray[np.float32]
    price: NDArray[np.float32]
    owner: NDArray[np.int64]
    column: NDArray[np.int64]
    waiting: NDArray[np.int64]


def make_auction(rows: int, columns: int) -> Auction:
    """Room for one problem of at most ``rows`` by ``columns`` nodes."""
    stride = -(-columns // PAIR) * PAIR
    return Auction(
        cost=np.empty(rows * stride, np.float32),
        price=np.empty(stride, np.float32),
        owner=np.empty(stride, np.int64),
        column=np.empty(rows, np.int64),
        waiting=np.empty(rows, np.int64),
    )


@inlined
def stride_of(size: int) -> int:
    """Room that a row of ``size`` costs takes."""
    return (size + PAIR - 1) // PAIR * PAIR


@inlined
def open_auction(
    auction: Auction,
    flat: NDArray[np.floating],
    origin: int,
    num_columns: int,
    row_index: NDArray[np.uint32],
    column_index: NDArray[np.uint32],
    size: int,
    scale: float,
) -> None:
    """Copy the costs of the ``size`` rows and columns that take part; nothing is sold and prices are 0.

    ``flat`` must be readable for one block of lanes beyond the problem.
    """
    stride = stride_of(size)
    inner = size // WIDTH * WIDTH
    for place in range(size):
        source = origin + np.int64(row_index[place]) * num_columns
        target = place * stride
        if size == num_columns:
            for at in range(0, inner, WIDTH):
                raw = plus(times(widen(load(flat, source + at)), fill(scale)), fill(1.0))
                store(auction.cost, target + at, narrow(raw))
            for column in range(inner, size):
                auction.cost[target + column] = flat[source + column] * scale + 1.0
        else:
            for column in range(size):
                auction.cost[target + column] = flat[source + column_index[column]] * scale + 1.0
        for column in range(size, stride):
            auction.cost[target + column] = PADDING
        auction.column[place] = -1
    for column in range(stride):
        auction.price[column] = 0.0
        auction.owner[column] = -1


@inlined
def best_offer(auction: Auction, row: int, stride: int) -> tuple[np.int64, np.float32]:
    """The column that costs ``row`` least, price included, and how much more the next best costs.

    Patterns of floats that are not negative are compared as integers, which takes fewer cycles.
    """
    at = row * stride
    least, second, place = fill(LARGEST), fill(LARGEST), fill(0)
    other_least, other_second, other_place = least, second, place
    for block in range(0, stride, PAIR):
        paid = pattern(plus(load(auction.cost, at + block), load(auction.price, block)))
        closer = below(paid, least)
        second = lesser(choose(closer, least, paid), second)
        place = choose(closer, fill(block), place)
        least = lesser(paid, least)
        paid = pattern(plus(load(auction.cost, at + block + WIDTH), load(auction.price, block + WIDTH)))
        closer = below(paid, other_least)
        other_second = lesser(choose(closer, other_least, paid), other_second)
        other_place = choose(closer, fill(block + WIDTH), other_place)
        other_least = lesser(paid, other_least)
    closer = below(other_least, least)
    second = lesser(choose(closer, least, other_least), lesser(second, other_second))
    place = choose(closer, other_place, place)
    least = lesser(other_least, least)

    lowest = least_int(least)
    behind = below(fill(lowest), least)
    first = ALL_LANES & ~behind
    first &= -first
    column = np.int64(least_int(choose(first, plus(place, lane_numbers()), fill(LARGEST))))
    next_lowest = least_int(choose(first, second, least))
    return column, float_of(next_lowest) - float_of(lowest)


@inlined
def sell(auction: Auction, size: int, step: np.float32, max_bids: int) -> int:
    """Bid until every row has a column; the number of bids, at most ``max_bids``."""
    stride = stride_of(size)
    waiting = 0
    for row in range(size - 1, -1, -1):
        if auction.column[row] < 0:
            auction.waiting[waiting] = row
            waiting += 1
    bids = 0
    while waiting > 0 and bids < max_bids:
        row = auction.waiting[waiting - 1]
        column, lead = best_offer(auction, row, stride)
        auction.price[column] += lead + step
        loser = auction.owner[column]
        auction.owner[column] = row
        auction.column[row] = column
        if loser >= 0:
            auction.column[loser] = -1
            auction.waiting[waiting - 1] = loser
        else:
            waiting -= 1
        bids += 1
    return bids


@inlined
def cheapest(auction: Auction, row: int, stride: int) -> np.float32:
    """What ``row`` would pay for the column that costs it least."""
    at = row * stride
    least = fill(LARGEST)
    for block in range(0, stride, WIDTH):
        least = lesser(pattern(plus(load(auction.cost, at + block), load(auction.price, block))), least)
    return float_of(least_int(least))


@inlined
def release(auction: Auction, size: int, step: np.float32) -> None:
    """Take the columns from rows that pay more than ``step`` above their cheapest choice."""
    stride = stride_of(size)
    for row in range(size):
        column = auction.column[row]
        paid = auction.cost[row * stride + column] + auction.price[column]
        if paid > cheapest(auction, row, stride) + step:
            auction.owner[column] = -1
            auction.column[row] = -1
