"""What `slbroker check --kemi` says of a script, read from its source: nothing of it is run.

`mentions` finds what it calls, with `aliases`; `mistakes` what would go wrong whatever KSR does; `report` puts it
together.
"""
