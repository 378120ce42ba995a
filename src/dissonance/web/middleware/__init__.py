"""Pure ASGI middleware, one a file. `web.app` puts them together, outermost first."""
