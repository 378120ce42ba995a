"""What the rules of loading.yaml find, and what they leave alone."""

import os
import pickle
import re
import subprocess
import tarfile
import xml.etree.ElementTree as tree
import zlib

import joblib
import msgspec
import numpy as np
import pandas
import skops.io
import yaml

# ruleid: format-that-runs-code
model = pickle.loads(b"")
# ruleid: format-that-runs-code
model = joblib.load("model.joblib")
# ruleid: format-that-runs-code
settings = yaml.load("a: 1")
# ruleid: format-that-runs-code
matrix = np.load("matrix.npy", allow_pickle=True)
# ruleid: format-that-runs-code
estimator = skops.io.loads(b"", trusted=True)
# ok: format-that-runs-code
estimator = skops.io.loads(b"", trusted=["sklearn.tree.DecisionTreeClassifier"])
# ok: format-that-runs-code
matrix = np.load("matrix.npy", allow_pickle=False)
# ok: format-that-runs-code
policy = msgspec.json.decode(b"{}")

# ruleid: code-from-text
answer = eval("1 + 1")
# ruleid: code-from-text
frame = pandas.DataFrame().eval("a + b")
# ok: code-from-text
pattern = re.compile("[a-z]+")

# ruleid: shell
subprocess.run("ls *", shell=True)
# ruleid: shell
os.system("ls")
# ok: shell
subprocess.run(["ls"])

# ruleid: archive-unpacked
archive = tarfile.open("model.tar.gz")
# ruleid: archive-unpacked
content = zlib.decompress(b"")
# ok: archive-unpacked
checksum = zlib.crc32(b"")

# ruleid: xml-of-others
document = tree.fromstring("<a/>")
