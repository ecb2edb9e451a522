"""Takes one safety clause away at a time and sees that the tests notice: `make mutants`."""
