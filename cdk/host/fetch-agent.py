#!/usr/bin/python3
"""Fetches one object from S3 with the credentials of this instance and compares its SHA-256.

Every host with cloud-init has Python's standard library. Not every one has the AWS CLI, and older curls cannot sign with a session token.
usage: fetch-agent.py URL REGION SHA256 DESTINATION
"""

import datetime
import hashlib
import hmac
import json
import os
import sys
import urllib.parse
import urllib.request

METADATA = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
# Endpoint of a store other than AWS, in the variables that the SDKs read.
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
SECONDS = 30


def ask(url, headers, method="GET"):
    request = urllib.request.Request(url, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return answer.read()


def credentials():
    """Credentials of the instance's role, by IMDSv2: a PUT gets the token that each request needs."""
    ttl = {"x-aws-ec2-metadata-token-ttl-seconds": "300"}
    token = ask(METADATA + "/latest/api/token", ttl, "PUT").decode()
    path = METADATA + "/latest/meta-data/iam/security-credentials/"
    role = ask(path, {"x-aws-ec2-metadata-token": token}).decode().strip()
    return json.loads(ask(path + role, {"x-aws-ec2-metadata-token": token}))


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signed(url, region, role):
    """The headers of a GET, by AWS Signature Version 4."""
    parts = urllib.parse.urlsplit(url)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": parts.netloc,
        "x-amz-content-sha256": sha256(b""),
        "x-amz-date": now,
        "x-amz-security-token": role["Token"],
    }
    names = ";".join(headers)
    lines = "".join(name + ":" + value + "\n" for name, value in headers.items())
    request = "\n".join(["GET", parts.path, "", lines, names, sha256(b"")])
    scope = "/".join([now[:8], region, "s3", "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, sha256(request.encode())])
    key = ("AWS4" + role["SecretAccessKey"]).encode()
    for part in scope.split("/"):
        key = sign(key, part)
    headers["authorization"] = (
        "AWS4-HMAC-SHA256 Credential=" + role["AccessKeyId"] + "/" + scope
        + ", SignedHeaders=" + names + ", Signature=" + sign(key, text).hex()
    )
    return headers


def at_endpoint(url):
    """The same object by path, as such stores want it."""
    parts = urllib.parse.urlsplit(url)
    return ENDPOINT.rstrip("/") + "/" + parts.netloc.split(".s3.")[0] + parts.path


def main(url, region, wanted, destination):
    url = at_endpoint(url) if ENDPOINT else url
    content = ask(url, signed(url, region, credentials()))
    if sha256(content) != wanted:
        sys.exit("fetch-agent: " + url + " has the SHA-256 " + sha256(content) + ", wanted " + wanted)
    temporary = destination + ".new"
    with open(temporary, "wb") as file:
        file.write(content)
    os.chmod(temporary, 0o755)
    os.rename(temporary, destination)


main(*sys.argv[1:])
