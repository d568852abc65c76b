#!/usr/bin/env python3
"""Prints key:name:min:max of every public API: the arguments of Golden.java."""

import glob
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../kafka/schema")
sys.path.insert(0, ROOT)

import schema  # noqa: E402

for path in sorted(glob.glob(os.path.join(ROOT, "api/*.schema"))):
    api = schema.parse(path).api
    print(f"{api.key}:{api.name}:{api.request.lo}:{api.request.hi}")
