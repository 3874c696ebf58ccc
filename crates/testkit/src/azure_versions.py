"""A stand-in for Azure Blob Storage, for tests: the part of it that keeps versions.

Containers whose names begin with "ver" keep every version of a blob, others none. Each request must
be signed with the account's key, or carry the shared access signature below; the signature is made
here by Microsoft's description of it alone:
https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key

`POST /-/CONTAINER/BLOB` writes a blob without either. The port is printed.
"""

import base64
import email.utils
import hashlib
import hmac
import itertools
import sys
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

ACCOUNT, KEY, SAS = sys.argv[1:]
SIGNED_HEADERS = [
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
]


class Version:
    counter = itertools.count(1)

    def __init__(self, body):
        number = next(self.counter)
        self.body = body
        self.etag = f'"0x{0x8DA000000000000 + number:X}"'
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        # As the real ones: seven digits, and each comes after the one before.
        self.id = f"{now}.{number:07d}Z"
        self.modified = email.utils.formatdate(usegmt=True)
        self.md5 = base64.b64encode(hashlib.md5(body).digest()).decode()


class Store:
    def __init__(self):
        self.lock = threading.Lock()
        # By container and name: the versions, the newest last, and whether that one is current.
        self.blobs = {}
        self.blocks = {}

    @staticmethod
    def keeps(container):
        return container.startswith("ver")

    def put(self, container, name, body):
        with self.lock:
            version = Version(body)
            versions, _ = self.blobs.get((container, name), ([], False))
            if not self.keeps(container):
                versions = []
            self.blobs[container, name] = (versions + [version], True)
            return version

    def get(self, container, name, version_id=None):
        with self.lock:
            versions, current = self.blobs.get((container, name), ([], False))
            if version_id is None:
                return (versions[-1], True) if current else (None, False)
            for version in versions:
                if version.id == version_id and self.keeps(container):
                    return version, current and version is versions[-1]
            return None, False

    def delete(self, container, name):
        with self.lock:
            versions, current = self.blobs.get((container, name), ([], False))
            if current and self.keeps(container):
                self.blobs[container, name] = (versions, False)
            else:
                self.blobs.pop((container, name), None)
            return current

    def current(self, container, prefix):
        with self.lock:
            return sorted(
                (name, versions[-1])
                for (where, name), (versions, current) in self.blobs.items()
                if where == container and name.startswith(prefix) and current
            )


STORE = Store()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def is_signed(self, path, query):
        if query.get("sig"):
            return urllib.parse.parse_qs(SAS)["sig"] == query["sig"]
        fields = []
        for name in SIGNED_HEADERS:
            value = self.headers.get(name, "")
            fields.append("" if name == "Content-Length" and value == "0" else value)
        own = {name.lower(): value for name, value in self.headers.items()}
        own = sorted((name, value) for name, value in own.items() if name.startswith("x-ms-"))
        text = self.command + "\n" + "".join(field + "\n" for field in fields)
        text += "".join(f"{name}:{value.strip()}\n" for name, value in own)
        text += f"/{ACCOUNT}{path}"
        for name in sorted(query, key=str.lower):
            text += f"\n{name.lower()}:" + ",".join(sorted(query[name]))
        mac = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
        wanted = f"SharedKey {ACCOUNT}:{base64.b64encode(mac).decode()}"
        return self.headers.get("Authorization") == wanted

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name == "Content-Length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        text = f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
        headers = [("x-ms-error-code", code), ("Content-Type", "application/xml")]
        self.answer(status, headers, text.encode())

    def facts(self, container, version, is_current):
        headers = [
            ("ETag", version.etag),
            ("Last-Modified", version.modified),
            ("x-ms-request-id", "1"),
            ("x-ms-version", self.headers.get("x-ms-version", "")),
        ]
        if STORE.keeps(container):
            headers.append(("x-ms-version-id", version.id))
            if is_current:
                headers.append(("x-ms-is-current-version", "true"))
        return headers

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, text = self.path.partition("?")
        if path.startswith("/-/"):
            container, name = urllib.parse.unquote(path[3:]).split("/", 1)
            STORE.put(container, name, body)
            return self.answer(201)
        query = urllib.parse.parse_qs(text, keep_blank_values=True)
        if not self.is_signed(path, query):
            return self.refuse(403, "AuthenticationFailed")
        _, account, container, *name = urllib.parse.unquote(path).split("/", 3)
        ask = {key: values[0] for key, values in query.items()}
        if account != ACCOUNT or not container.startswith(("ver", "plain")):
            return self.refuse(404, "ContainerNotFound")
        if "versionid" in ask and self.headers.get("x-ms-version", "") < "2019-12-12":
            return self.refuse(400, "UnsupportedQueryParameter")
        if not name:
            return self.serve_container(container, ask)
        return self.serve_blob(container, name[0], ask, body)

    def serve_container(self, container, ask):
        if ask.get("comp") != "list":
            return self.answer(200, [("ETag", '"0x1"'), ("Last-Modified", email.utils.formatdate(usegmt=True))])
        prefix, delimiter = ask.get("prefix", ""), ask.get("delimiter", "")
        entries, folders = [], set()
        for name, version in STORE.current(container, prefix):
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
                continue
            kept = ""
            if STORE.keeps(container):
                kept = f"<VersionId>{version.id}</VersionId><IsCurrentVersion>true</IsCurrentVersion>"
            entries.append(
                f"<Blob><Name>{escape(name)}</Name>{kept}<Properties>"
                f"<Last-Modified>{version.modified}</Last-Modified>"
                f"<Etag>{version.etag.strip(chr(34))}</Etag>"
                f"<Content-Length>{len(version.body)}</Content-Length>"
                f"<Content-MD5>{version.md5}</Content-MD5>"
                "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            )
        entries += [f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in sorted(folders)]
        text = (
            "<?xml version='1.0' encoding='utf-8'?>"
            f"<EnumerationResults ServiceEndpoint='http://127.0.0.1/' ContainerName='{container}'>"
            f"<Prefix>{escape(prefix)}</Prefix><Blobs>{''.join(entries)}</Blobs><NextMarker />"
            "</EnumerationResults>"
        )
        return self.answer(200, [("Content-Type", "application/xml")], text.encode())

    def serve_blob(self, container, name, ask, body):
        if self.command == "PUT":
            return self.write(container, name, ask, body)
        if self.command == "DELETE":
            if not STORE.delete(container, name):
                return self.refuse(404, "BlobNotFound")
            return self.answer(202)
        if self.command not in ("GET", "HEAD"):
            return self.refuse(501, "NotImplemented")
        version, is_current = STORE.get(container, name, ask.get("versionid"))
        if version is None:
            return self.refuse(404, "BlobNotFound")
        condition = self.headers.get("If-Match")
        if condition is not None and condition not in (version.etag, "*"):
            return self.refuse(412, "ConditionNotMet")
        headers = self.facts(container, version, is_current)
        headers += [("x-ms-blob-type", "BlockBlob"), ("Content-MD5", version.md5)]
        headers += [("Content-Type", "application/octet-stream"), ("Accept-Ranges", "bytes")]
        wanted = self.headers.get("x-ms-range") or self.headers.get("Range")
        if self.command == "HEAD":
            return self.answer(200, headers + [("Content-Length", str(len(version.body)))])
        if not wanted:
            return self.answer(200, headers, version.body)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        first, last = int(first), int(last) if last else len(version.body) - 1
        part = version.body[first : last + 1]
        if not part:
            return self.refuse(416, "InvalidRange")
        last = first + len(part) - 1
        headers.append(("Content-Range", f"bytes {first}-{last}/{len(version.body)}"))
        return self.answer(206, headers, part)

    def write(self, container, name, ask, body):
        if ask.get("comp") == "block":
            STORE.blocks[container, name, ask["blockid"]] = body
            return self.answer(201)
        if ask.get("comp") == "blocklist":
            wanted = [part.text for part in ElementTree.fromstring(body)]
            body = b"".join(STORE.blocks.pop((container, name, part)) for part in wanted)
        elif ask.get("comp"):
            return self.refuse(501, "NotImplemented")
        elif self.headers.get("If-None-Match") == "*" and STORE.get(container, name)[0]:
            return self.refuse(409, "BlobAlreadyExists")
        version = STORE.put(container, name, body)
        headers = self.facts(container, version, False)
        return self.answer(201, headers + [("Content-MD5", version.md5)])

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # Clients that leave in the middle are no news.
    request_queue_size = 64

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
