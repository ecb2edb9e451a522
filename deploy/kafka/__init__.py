"""The topics of Lockstep as data, and the program that creates them."""
