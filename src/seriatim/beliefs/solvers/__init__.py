"""Solutions and bounds over beliefs: dynamic programming, alpha vectors, tree search."""
