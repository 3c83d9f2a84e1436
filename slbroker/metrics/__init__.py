"""Statistics: one table of what is counted, and the views of it.

`table` says what there is, `gathered` reads it from what processes tell over the bus, and `sl` has the same counters
under the names of Kamailio's and OpenSIPS's `sl` modules. All is pure: figures come in, numbers with names go out.
"""
