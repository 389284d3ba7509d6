# streams/shortcut.py
# Imports point inward; stages meet only through topics
import workers
