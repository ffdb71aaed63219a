"""The Universal Scalability Law (Gunther, "A General Theory of Computational Scalability Based on Rational Functions",
2008), fitted to measured times:

    C(n) = n / (1 + contention (n - 1) + coherence n (n - 1))

C(n) is how many times faster n threads are than one. `contention` is the share that only one thread does at a time, and
bounds C at 1 / contention; `coherence` is what each two threads cost each other, and lets C fall beyond some n.
"""

import math
from dataclasses import dataclass
from typing import List


@dataclass(frozen=True)
class law:
    contention: float
    coherence: float
    #: The coefficients that the measurements do not say, and that are taken for 0.
    assumed: List[str]
    #: The root of the mean square of what the measured speed-ups differ from C by, in shares of them.
    error: float

    def speedup(self, threads):
        return threads / (1 + self.contention * (threads - 1) + self.coherence * threads * (threads - 1))

    def fastest_with(self):
        """With how many threads C is greatest; None: the more, the faster."""
        return math.sqrt((1 - self.contention) / self.coherence) if self.coherence > 0 else None


def fit(speedups):
    """The law for {threads: speed-up}, by least squares; a coefficient below 0 means nothing, and becomes 0. One more
    count than 1 says one coefficient, none says nothing."""
    points = [(threads, speedup) for threads, speedup in sorted(speedups.items()) if threads > 1]
    assumed = ["contention", "coherence"][len(points):]
    # n / C - 1 is linear in both: contention (n - 1) + coherence n (n - 1).
    rows = [(n - 1, n * (n - 1), n / speedup - 1) for n, speedup in points]
    contention, coherence = _least_squares(rows) if len(rows) > 1 else (_one_of(rows, 0), 0.0)
    if contention < 0 or coherence < 0:
        edges = [(_one_of(rows, 0), 0.0), (0.0, _one_of(rows, 1))]
        contention, coherence = min(edges, key=lambda edge: _squares(rows, *edge))
    found = law(contention, coherence, assumed, 0.0)
    squares = [(found.speedup(n) / speedup - 1) ** 2 for n, speedup in points]
    return law(contention, coherence, assumed, math.sqrt(sum(squares) / len(squares)) if squares else 0.0)


def _least_squares(rows):
    aa, ab, bb = (sum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    ay, by = (sum(row[i] * row[2] for row in rows) for i in (0, 1))
    determinant = aa * bb - ab * ab
    return (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant


def _one_of(rows, column):
    """The coefficient of this column where the other is 0; not below 0."""
    squares = sum(row[column] ** 2 for row in rows)
    return max(0.0, sum(row[column] * row[2] for row in rows) / squares) if squares else 0.0


def _squares(rows, contention, coherence):
    return sum((contention * a + coherence * b - y) ** 2 for a, b, y in rows)
