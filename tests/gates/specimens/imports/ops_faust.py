# ops/agents.py
# Only streams/ imports Faust
import faust
