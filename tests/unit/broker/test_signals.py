"""A signal ends a wait at once, without a lock, and the handlers of before come back."""

import os
import signal
import threading
import time

from broker.signals import StopSignals

LONG_S = 60.0


def test_a_signal_ends_a_wait_and_stays_seen():
    with StopSignals() as stop:
        assert not stop.wait(0)
        signal.raise_signal(signal.SIGTERM)
        assert stop.wait(LONG_S)
        assert stop.is_set()
        stop.wait_any(LONG_S)


def test_a_signal_that_comes_during_the_wait_ends_it():
    began = time.monotonic()
    with StopSignals() as stop:
        sender = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))
        sender.start()
        assert stop.wait(LONG_S)
        sender.join()
    assert time.monotonic() - began < LONG_S


def test_another_signal_wakes_and_is_no_stop():
    with StopSignals(wake_on=(signal.SIGCHLD,)) as stop:
        signal.raise_signal(signal.SIGCHLD)
        stop.wait_any(LONG_S)
        assert not stop.wait(0.01)


def test_the_handlers_of_before_come_back():
    before = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
    with StopSignals(wake_on=(signal.SIGCHLD,)):
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)] == before
