"""The static content of a Blob Storage container, served as a web server would.

`site` finds the blob for a path, `cache` keeps blobs in memory and revalidates them, `names` has which names are known,
`lru` and `budget` bound the bytes of cached and of large files, `blobs` reads the container over HTTP, `representation`
applies encodings, conditions and ranges; `media_types` has the types of files, `title` sets the title of the homepage,
`security` has the response headers, `badge` draws a label and a number. May import visits, identity, network and
telemetry.
"""
