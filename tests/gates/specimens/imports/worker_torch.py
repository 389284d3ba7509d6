# workers/render.py
# Models and readers are imported only by the engine or check that needs them
import torch
