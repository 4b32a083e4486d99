"""Numbers of lanes that suit the machine: whole vectors, in rows that do not compete for places of the cache.

What is left over of a row when its vectors are full is computed number by number: with 50 spiders and flies, 44 lanes
took 50 microseconds a stage and 48 lanes 19.

The numbers of a lane lie one row apart. Where rows are a large power of two long, all the numbers of a lane belong in
the same few places of the cache and drive each other out: with 15 spiders and flies, 1,024 lanes of 16 bits took 2.1
times as long as 800 took for as many decisions. Rows of an odd number of vectors are spread over all places.
"""

# A vector of numbers of 16 bits; of wider ones, two.
VECTOR = 16
# From so many lanes on rows are long enough to compete for places.
LONG = 128


def padded_lane_count(lanes: int) -> int:
    """Return a good number of lanes, `lanes` at least and at most 31 more."""
    if lanes <= VECTOR:
        return 1 << (lanes - 1).bit_length()
    vectors = -(-lanes // VECTOR)
    return VECTOR * (vectors | 1 if lanes >= LONG else vectors)
