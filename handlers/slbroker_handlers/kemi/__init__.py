"""`KSR`, the Kamailio KEMI interface for Python, for the scripts that answer requests statelessly.

`script` loads a KEMI script and makes a `slbroker.Handlers` of it; `call` is the request that the script looks at,
`state` what lives as long as the worker. The other files are KSR's modules and what these are made of; `exports` and
`ksr` bind them all. `report` says what of a script works here. The meaning of each function, and its return values, are
those of Kamailio 5.6.3, as observed; docs/kemi.md says where they differ.
"""
