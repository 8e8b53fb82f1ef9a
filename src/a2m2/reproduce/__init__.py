"""A published benchmark from its lists and videos to test accuracies, by the recipe that comes with the package.

This file stays empty so that importing a part imports no more than that part.
"""
