# rules/reader.py
# Imports point inward; stages meet only through topics
import broker
