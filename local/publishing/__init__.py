"""What is deployed: the homepage's content in Blob Storage, and the app as a zip archive.

`bundle` makes the scripts and style sheets with esbuild, `publisher` keeps a container equal to `content/`,
`azure` does so for a storage account in Azure, `package` builds the archive, and `dependencies` installs the app's
packages for it.
Imports `node` and `progress`, and of `signin` the names that both sides must agree on.
"""
