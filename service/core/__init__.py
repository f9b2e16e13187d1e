"""Functions and values that serving and evaluation share; they need only numpy and the standard library."""
