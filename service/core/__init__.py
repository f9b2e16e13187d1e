"""Pure parts that serving and evaluation share: numpy and the standard library only."""
