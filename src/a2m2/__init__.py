"""a2m2: few-shot action recognition in video by aligned multi-scale moments.

Importing the package does nothing but name its version; import the room you need, for example
``from a2m2.ot import emd`` or ``from a2m2.methods import METHODS``.
"""

__version__ = "0.1.0"
