# rules/clock.py
# rules/ decides; it reads no clock, draws no chance, does no input or output
import time
