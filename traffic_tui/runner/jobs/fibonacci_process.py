"""Works out one Fibonacci number; run as a process of its own, with the number as argument.

Decimal arithmetic makes the digits come out without a conversion, which would take longer than
everything else. Progress goes to standard error, the digits to standard output.
"""

from __future__ import annotations

import decimal
import math
import sys

DIGITS_PER_STEP = math.log10((1 + math.sqrt(5)) / 2)
SPARE_DIGITS = 20


def main() -> int:
    n = int(sys.argv[1])
    try:
        digits = str(fibonacci(n))
    except (MemoryError, decimal.InvalidOperation, decimal.Overflow, ValueError):
        return 1
    sys.stdout.write(digits)
    sys.stdout.flush()
    return 0


def fibonacci(n: int) -> decimal.Decimal:
    """The ``n``-th number counted from 1, by doubling the index step by step."""
    precision = int(n * DIGITS_PER_STEP) + SPARE_DIGITS
    context = decimal.Context(prec=precision, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
    current, following = decimal.Decimal(0), decimal.Decimal(1)
    index = 0
    for bit in bin(n - 1)[2:]:
        twice = context.subtract(context.add(following, following), current)
        even = context.multiply(current, twice)
        odd = context.add(
            context.multiply(current, current), context.multiply(following, following)
        )
        current, following = even, odd
        index *= 2
        if bit == "1":
            current, following = following, context.add(current, following)
            index += 1
        sys.stderr.write(f"{index} {n} doubling\n")
        sys.stderr.flush()
    return current


if __name__ == "__main__":
    sys.exit(main())
