"""The static content of a Blob Storage container, served as a web server would.

`site` finds the blob for a path, `cache` keeps blobs in memory and revalidates them, `names` has which names are known,
`budget` bounds the bytes of large files, `blobs` reads the container over HTTP, `representation` applies encodings,
conditions and ranges; `security` has the response headers, `badge` draws the total. May import visits, identity,
network and telemetry.
"""
