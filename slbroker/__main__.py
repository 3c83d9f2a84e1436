"""`python -m slbroker` is the `slbroker` command."""

from slbroker.cli import main

main()
