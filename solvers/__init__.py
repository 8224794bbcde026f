"""Solvers: Ipopt, the genetic algorithm and their kin; none knows a grid's files."""
