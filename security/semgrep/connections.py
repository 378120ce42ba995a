"""What the rules of connections.yaml find, and what they leave alone."""

import ssl

import aiohttp
import requests

# ruleid: certificate-unchecked
requests.get("https://issuer", verify=False)
# ruleid: certificate-unchecked
connector = aiohttp.TCPConnector(ssl=False)
# ruleid: certificate-unchecked
context = ssl._create_unverified_context()
# ruleid: certificate-unchecked
context.check_hostname = False
# ok: certificate-unchecked
context = ssl.create_default_context(cafile="authority.pem")


async def documents(session, router, request):
    # ruleid: redirect-followed
    await session.get("https://issuer")
    # ok: redirect-followed
    await session.get("https://issuer", allow_redirects=False)
    # ruleid: body-past-the-limits
    await request.json()

    # ruleid: route-without-permission
    @router.get("/secrets")
    async def secrets(): ...

    # ok: route-without-permission
    @router.protected("GET", "/models", permission=None)
    async def models(): ...
