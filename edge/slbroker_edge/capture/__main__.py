"""`python -m slbroker_edge.capture`: what an edge starts where messages are captured."""

from slbroker_edge.capture.writer import main

if __name__ == "__main__":
    main()
