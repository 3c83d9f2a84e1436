"""What an edge shows of the messages that pass: HEP3 to Homer, and pcap files; by a process of its own beside it.

    Edge -> Tap -> (a pipe) -> Writer -> collectors, files

`messages`, `hep`, `packets` and `pcap` are pure.
"""
