# schemas/model.py
# schemas/ and rules/ know no broker, database, model or terminal
import torch
