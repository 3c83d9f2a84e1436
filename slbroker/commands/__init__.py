"""The commands of `slbroker`. They import edge and handlers inside their functions: what is not used is not loaded."""
