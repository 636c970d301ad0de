"""The explorer: a local page on which a trained run's codes are changed by hand.

`session` has what the page shows, `saving` what it writes, `maps` the codes in two dimensions,
`server` who may ask for it, `static` the page itself.
"""
