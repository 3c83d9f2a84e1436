"""`KSR`, the Kamailio KEMI interface for Python, for the scripts that answer requests statelessly.

`script` loads a KEMI script and makes a `slbroker.Handlers` of it; `call` is the request that the script looks at,
`memory` what lives as long as the worker. `modules` has the modules of KSR, a file each, `variables` the
pseudo-variables; both stand on the files beside this one and know nothing of `ksr`, which makes the module of them
that scripts import. `check` says what of a script works here, by `catalogue`, which has all that Kamailio exports. The
meaning of each function, and its return values, are those of Kamailio 5.6.3, as observed; docs/kemi.md says where they
differ.
"""
