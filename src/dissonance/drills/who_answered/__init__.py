"""The drill on answers: does the system say of each which version gave it, as what, and which critic doubted it?"""
