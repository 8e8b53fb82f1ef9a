"""The web app: clips dropped into classes, enrolled, recognised and explained in a browser.

Needs the extra ``web``; nothing heavy is imported before :func:`a2m2.web.server.serve` is called.
"""
