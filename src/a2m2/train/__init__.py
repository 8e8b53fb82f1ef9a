"""Pre-training and episodic meta-training; the only room that knows Lightning.

This file stays empty so that importing a part imports no more than that part.
"""
