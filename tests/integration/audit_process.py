"""The real sink as a process of its own, to be killed: `python audit_process.py`, settings from the environment."""

from audit.sink import main
from broker.logs import set_up
from broker.settings import load

if __name__ == "__main__":
    settings = load()
    set_up(settings, process="audit")
    main(settings)
