#!/usr/bin/python3
"""Fetches a release of the agent from pemfleet's own bucket with the credentials of this instance, and compares its SHA-256.

Every host with cloud-init has Python's standard library. Not every one has the AWS CLI, and older curls cannot sign with a session token.
The bucket's agent/release.json says which release is current and which one was before. What fails is tried again for ten minutes: a role
and its rights may come minutes after the instance.
usage: fetch-agent.py BUCKET-URL REGION RELEASE DESTINATION     RELEASE: current, previous, or a version
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

METADATA = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
# Endpoint of a store other than AWS, in the variables that the SDKs read.
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
# Of an answer, connection and body together; of a tarball, longer.
SECONDS = 30
TARBALL_SECONDS = 300
TRY_FOR_SECONDS = 600
PAUSES = [2, 4, 8, 16, 30]
MAX_SMALL = 65536
MAX_TARBALL = 128 << 20


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Whoever answers with another address does not get what was meant for this one."""

    def redirect_request(self, *_):
        return None


S3 = urllib.request.build_opener(NoRedirect)
# The metadata service is on this machine: no proxy may see its answers.
IMDS = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))


def line(text):
    """One line that a terminal only shows, however long what somebody has answered is."""
    return "fetch-agent: " + "".join(c if c.isprintable() else "?" for c in text[:400])


def late(*_):
    raise TimeoutError("no whole answer in time")


signal.signal(signal.SIGALRM, late)


def ask(opener, url, headers, method="GET", limit=MAX_SMALL):
    request = urllib.request.Request(url, headers=headers, method=method)
    # A timeout of urllib ends a silence only: what drips would go on for ever.
    signal.alarm(SECONDS if limit == MAX_SMALL else TARBALL_SECONDS)
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            content = answer.read(limit + 1)
    finally:
        signal.alarm(0)
    if len(content) > limit:
        raise ValueError(url + " has more than " + str(limit) + " bytes")
    return content


def credentials():
    """Credentials of the instance's role, by IMDSv2: a PUT gets the token that each request needs."""
    ttl = {"x-aws-ec2-metadata-token-ttl-seconds": "300"}
    token = {"x-aws-ec2-metadata-token": ask(IMDS, METADATA + "/latest/api/token", ttl, "PUT").decode()}
    path = METADATA + "/latest/meta-data/iam/security-credentials/"
    return json.loads(ask(IMDS, path + ask(IMDS, path, token).decode().strip(), token))


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


def object_url(bucket, key):
    """By path at other stores, and where the name has a dot: S3's certificate has a wildcard, which stands for one label."""
    name, host = urllib.parse.urlsplit(bucket).netloc.rsplit(".s3.", 1)
    if ENDPOINT or "." in name:
        return (ENDPOINT or "https://s3." + host).rstrip("/") + "/" + name + "/" + key
    return bucket + "/" + key


def get(bucket, key, region, limit=MAX_SMALL):
    url = object_url(bucket, key)
    return ask(S3, url, signed(url, region, credentials()), limit=limit)


def choose(pointer, wanted):
    """The release that is wanted; of two with the same version, the current one."""
    for name in ("current", "previous"):
        release = pointer.get(name)
        if release and wanted in (name, release["release"]):
            return release
    has = [pointer[name]["release"] for name in ("current", "previous") if pointer.get(name)]
    sys.exit(line("wanted the release " + wanted + ", the bucket has " + ", ".join(has)))


def fetch(bucket, region, wanted):
    release = choose(json.loads(get(bucket, "agent/release.json", region)), wanted)
    machine = os.uname().machine
    digest = str(release["machines"].get(machine, {}).get("sha256"))
    if not re.fullmatch("[0-9a-f]{64}", digest):
        sys.exit("fetch-agent: there is no agent for " + machine)
    content = get(bucket, "agent/" + digest + ".tar.gz", region, MAX_TARBALL)
    if sha256(content) != digest:
        sys.exit("fetch-agent: agent/" + digest + ".tar.gz has the SHA-256 " + sha256(content) + ", wanted " + digest)
    return content


def persistently(work):
    last = time.monotonic() + TRY_FOR_SECONDS
    attempt = 0
    while True:
        try:
            return work()
        except (OSError, http.client.HTTPException, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
            status = getattr(error, "code", None)
            text = str(error) if status is None else "HTTP status " + str(status) + " of " + str(error.url)
            pause = PAUSES[min(attempt, len(PAUSES) - 1)]
            if time.monotonic() + pause > last:
                sys.exit(line(text))
            sys.stderr.write(line(text) + "; again in " + str(pause) + " s\n")
            time.sleep(pause)
            attempt += 1


def main(bucket, region, wanted, destination):
    content = persistently(lambda: fetch(bucket, region, wanted))
    temporary = destination + ".new"
    with open(temporary, "wb") as file:
        file.write(content)
    os.rename(temporary, destination)


main(*sys.argv[1:])
