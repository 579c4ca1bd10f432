"""Taking a measurement: one cell of the matrix, in one fresh process."""
