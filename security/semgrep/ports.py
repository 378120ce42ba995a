"""What the rules of ports.yaml find, and what they leave alone."""

import datetime
import os
import random
import secrets
import time
import uuid

import numpy as np

# ruleid: clock-outside-its-port
now = time.time()
# ruleid: clock-outside-its-port
today = datetime.datetime.now(datetime.UTC)
# ok: clock-outside-its-port
started = time.monotonic()
# ok: clock-outside-its-port
then = datetime.datetime.fromtimestamp(0, datetime.UTC)

# ruleid: chance-outside-its-port
token = secrets.token_bytes(16)
# ruleid: chance-outside-its-port
chosen = random.choice([1, 2])
# ruleid: chance-outside-its-port
nonce = os.urandom(12)
# ruleid: chance-outside-its-port
identifier = uuid.uuid4()
# ruleid: chance-outside-its-port
unseeded = np.random.default_rng()
# ok: chance-outside-its-port
seeded = np.random.default_rng(7)
# ok: chance-outside-its-port
drawn = seeded.random()

# ruleid: environment-outside-settings
home = os.environ["HOME"]
# ruleid: environment-outside-settings
level = os.getenv("LEVEL")
# ok: environment-outside-settings
folder = os.getcwd()
