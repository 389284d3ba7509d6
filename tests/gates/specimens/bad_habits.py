"""What our own rules refuse, one a line; the test reads which from the comments."""

import os
import time
from asyncio import sleep as nap

time.sleep(1)  # sleep
await nap(0.1)  # sleep
await nap(0)
INDEX = "https://{registry}/simple"  # host
LOG = "/home/ann/presscheck.log"  # path
TOKEN = os.environ["TOKEN"]  # environment
