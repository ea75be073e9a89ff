"""Publishes to real servers of Azure Blob Storage (azurite) and S3 (moto), and kills runs there.

    check.py GOODWILL DEMO SCRATCH AZURITE READERS

GOODWILL is the program as tests have it, which heeds FAILPOINTS; DEMO a folder made by
`goodwill demo`; AZURITE the program azurite-blob; READERS the Python of tests/readers. On each
store: the demo's sources are uploaded, a run reads and publishes there, the next one finds
nothing to do; a run is killed at each named step, the next one ends well and `goodwill verify`
finds nothing; in the end what lies there is downloaded and six outside readers open it.
Then an S3 server that speaks TLS by an authority of its own is reached: with that authority and not
without it, through a proxy and not past it.
Fails on the first thing that is not as it should be.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import boto3
import trustme
from azure.storage.blob import ContainerClient

GOODWILL, DEMO, SCRATCH, AZURITE, READERS = (pathlib.Path(argument) for argument in sys.argv[1:6])
HERE = pathlib.Path(__file__).parent
# The steps a publication passes, in order; src/lake/mod.rs and src/ops/run.rs name them.
STEPS = [
    "after_intent", "after_journal", "after_chunks", "before_commit", "after_commit", "before_roll_forward",
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
    scheme = "http"

    def __init__(self, *options, verify=None):
        self.port = free_port()
        server = pathlib.Path(sys.executable).with_name("moto_server")
        self.server = started([str(server), "-p", str(self.port), *options], self.port)
        endpoint = f"{self.scheme}://127.0.0.1:{self.port}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", verify=verify, **keys)
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


class AmazonOverTls(Amazon):
    name = "moto over TLS"
    scheme = "https"

    def __init__(self):
        authority = trustme.CA()
        own = authority.issue_cert("127.0.0.1")
        self.bundle, key, certificate = (str(SCRATCH / name) for name in ("ca.pem", "tls.key", "tls.pem"))
        authority.cert_pem.write_to_path(self.bundle)
        own.private_key_pem.write_to_path(key)
        own.cert_chain_pems[0].write_to_path(certificate)
        super().__init__("--ssl", "-c", certificate, "-k", key, verify=self.bundle)


class Proxy:
    """Tunnels connections, as a company's proxy does, and counts them."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.tunnels = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.tunnel, args=(client,), daemon=True).start()

    def tunnel(self, client):
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(4096)
        method, address = request.split(b" ")[:2]
        assert method == b"CONNECT", request
        host, port = address.decode().split(":")
        server = socket.create_connection((host, int(port)))
        self.tunnels += 1
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self.copy, args=(client, server), daemon=True).start()
        self.copy(server, client)

    @staticmethod
    def copy(source, target):
        try:
            while content := source.recv(65536):
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def environment(store, **more):
    heeded = ("AWS_", "AZURE_", "GOOGLE_", "GOODWILL_", "FAILPOINTS", "SSL_CERT_")
    unset = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    clean = {
        name: value for name, value in os.environ.items()
        if not name.startswith(heeded) and name.upper() not in unset
    }
    return {**clean, "NO_COLOR": "1", "GOODWILL_STORE_PATIENCE": "30s", **store.environment, **more}


def command(store, *arguments):
    places = [] if arguments[0] == "verify" else ["--sources", f"{store.url}/sources"]
    return [str(GOODWILL), *arguments, *places, "--root", f"{store.url}/out"]


def goodwill(store, *arguments, expect=0, **more):
    done = subprocess.run(
        command(store, *arguments), cwd=DEMO, env=environment(store, **more), capture_output=True, text=True,
        timeout=600,
    )
    if done.returncode != expect:
        sys.exit(f"{store.name}: {arguments} ended with {done.returncode}, not {expect}\n{done.stdout}\n{done.stderr}")
    return done.stdout if expect == 0 else done.stderr


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


def upload_sources(store):
    sources = DEMO / "demo" / "sources"
    for path in sorted(sources.rglob("*.parquet")):
        store.put(f"sources/{path.relative_to(sources).as_posix()}", path.read_bytes())


def check(store):
    upload_sources(store)
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


def check_network(store):
    upload_sources(store)
    quickly = {"GOODWILL_STORE_PATIENCE": "2s"}
    unknown = goodwill(store, "check", "--connect", expect=75, **quickly)
    assert "certificate" in unknown, unknown
    for bundle in ("AWS_CA_BUNDLE", "GOODWILL_CA_BUNDLE", "SSL_CERT_FILE"):
        goodwill(store, "check", "--connect", **{bundle: store.bundle})
    missing = goodwill(store, "check", "--connect", expect=2, AWS_CA_BUNDLE="/no/such.pem")
    assert "AWS_CA_BUNDLE" in missing, missing
    proxy = Proxy()
    trusted = {"AWS_CA_BUNDLE": store.bundle}
    assert "published version 1" in goodwill(store, "run", "-s", "dates", HTTPS_PROXY=proxy.url, **trusted)
    assert proxy.tunnels > 0, "the proxy was gone past"
    nobody = {"HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}
    goodwill(store, "check", "--connect", expect=75, **nobody, **trusted, **quickly)
    goodwill(store, "check", "--connect", NO_PROXY="127.0.0.1", **nobody, **trusted)
    print(f"{store.name}: an authority of its own, and {proxy.tunnels} tunnels through a proxy")


for make, look in ((Azure, check), (Amazon, check), (AmazonOverTls, check_network)):
    store = make()
    try:
        look(store)
    finally:
        store.server.terminate()
        store.server.wait()
