"""What is deployed: the homepage's content in Blob Storage, and the app as a zip archive.

`bundle` makes the scripts and style sheets with esbuild, `publisher` keeps a container equal to `content/`,
`azure` does so for a storage account in Azure, and `package` builds the archive.
Imports `node` and `progress`, and of `signin` the names that both sides must agree on.
"""
