"""Publishes to real servers of Azure Blob Storage (azurite) and S3 (moto), and kills runs there.

    check.py GOODWILL DEMO SCRATCH AZURITE READERS

GOODWILL is a debug build of the program, which heeds FAILPOINTS; DEMO a folder made by
`goodwill demo`; AZURITE the program azurite-blob; READERS the Python of tests/readers. On each
store: the demo's sources are uploaded, a run reads and publishes there, the next one finds
nothing to do; a run is killed at each named step, the next one ends well and `goodwill verify`
finds nothing; in the end what lies there is downloaded and six outside readers open it.
Fails on the first thing that is not as it should be.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import boto3
from azure.storage.blob import ContainerClient

GOODWILL, DEMO, SCRATCH, AZURITE, READERS = (pathlib.Path(argument) for argument in sys.argv[1:6])
HERE = pathlib.Path(__file__).parent
# The steps a publication passes, in order; src/lake/mod.rs and src/ops/run.rs name them.
STEPS = [
    "after_intent", "after_journal", "before_commit", "after_commit", "before_roll_forward",
    "between_versions", "between_tables", "before_views", "after_views", "before_receipt",
]
# The account that azurite documents for everybody.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SOME = ["-f", "-s", "dates", "-s", "products", "-s", "customers"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(command, port):
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    sys.exit(f"{command[0]} did not start")


class Azure:
    name = "azurite"

    def __init__(self):
        self.port = free_port()
        folder = SCRATCH / "azurite"
        self.server = started(
            [str(AZURITE), "--silent", "--skipApiVersionCheck", "--location", str(folder), "--blobPort", str(self.port)],
            self.port,
        )
        endpoint = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        credential = {"account_name": ACCOUNT, "account_key": ACCOUNT_KEY}
        self.container = ContainerClient(endpoint, "shop", credential=credential)
        self.container.create_container()
        self.url = "az://shop"
        self.environment = {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
            "AZURE_STORAGE_ENDPOINT": endpoint,
        }

    def put(self, name, content):
        self.container.upload_blob(name, content)

    def objects(self):
        for blob in self.container.list_blobs():
            yield blob.name, lambda name=blob.name: self.container.download_blob(name).readall()


class Amazon:
    name = "moto"

    def __init__(self):
        self.port = free_port()
        server = pathlib.Path(sys.executable).with_name("moto_server")
        self.server = started([str(server), "-p", str(self.port)], self.port)
        endpoint = f"http://127.0.0.1:{self.port}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        self.client.create_bucket(Bucket="shop")
        self.url = "s3://shop"
        self.environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
        }

    def put(self, name, content):
        self.client.put_object(Bucket="shop", Key=name, Body=content)

    def objects(self):
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket="shop"):
            for found in page.get("Contents", []):
                key = found["Key"]
                yield key, lambda key=key: self.client.get_object(Bucket="shop", Key=key)["Body"].read()


def environment(store, **more):
    heeded = ("AWS_", "AZURE_", "GOOGLE_", "GOODWILL_", "FAILPOINTS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(heeded)}
    return {**clean, "NO_COLOR": "1", "GOODWILL_STORE_PATIENCE": "30s", **store.environment, **more}


def command(store, *arguments):
    places = [] if arguments[0] == "verify" else ["--sources", f"{store.url}/sources"]
    return [str(GOODWILL), *arguments, *places, "--root", f"{store.url}/out"]


def goodwill(store, *arguments, expect=0):
    done = subprocess.run(
        command(store, *arguments), cwd=DEMO, env=environment(store), capture_output=True, text=True, timeout=600
    )
    if done.returncode != expect:
        sys.exit(f"{store.name}: {arguments} ended with {done.returncode}, not {expect}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def killed_at(store, step):
    """Starts a run, kills it where it reaches `step`."""
    run = subprocess.Popen(
        command(store, "run", *SOME), cwd=DEMO, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=environment(store, FAILPOINTS=f"{step}=pause", GOODWILL_LOG="goodwill=debug"),
    )
    for line in run.stderr:
        if f'step="{step}"' in line:
            run.send_signal(signal.SIGKILL)
            run.wait()
            return
    sys.exit(f"{store.name}: a run never reached {step}: is {GOODWILL} a test build?")


def check(store):
    sources = DEMO / "demo" / "sources"
    for path in sorted(sources.rglob("*.parquet")):
        store.put(f"sources/{path.relative_to(sources).as_posix()}", path.read_bytes())
    goodwill(store, "check", "--connect")
    assert "published version 1" in goodwill(store, "run")
    assert "nothing to do" in goodwill(store, "run")
    for step in STEPS:
        killed_at(store, step)
        goodwill(store, "run", *SOME)
        goodwill(store, "verify")
    goodwill(store, "run", "-f")
    copy = SCRATCH / f"{store.name}-copy"
    shutil.rmtree(copy, ignore_errors=True)
    count = 0
    for name, read in store.objects():
        if name.startswith("out/"):
            path = copy / name.removeprefix("out/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(read())
            count += 1
    # The views name the store; those of the copy name the copy.
    subprocess.run([str(GOODWILL), "recover", "--root", str(copy)], cwd=DEMO, check=True)
    subprocess.run([str(READERS), str(HERE.parent / "readers" / "check.py"), str(copy)], check=True)
    print(f"{store.name}: {len(STEPS)} kills, {count} objects, nothing torn, no gap")


for make in (Azure, Amazon):
    store = make()
    try:
        check(store)
    finally:
        store.server.terminate()
        store.server.wait()
