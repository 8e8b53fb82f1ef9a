"""The ``a2m2`` command: one short file a command; heavy imports happen inside them."""
