import os
import unittest.mock
from datetime import datetime


def publish(topic, value):
    try:
        os.system("kcat -P -t " + topic)
    except Exception:
        pass
    return datetime.now(), unittest.mock.Mock(value)
