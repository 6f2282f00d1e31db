"""What the tests of more than one folder share.

    audit              the visits that a table holds, checked against its stats rows
    clock              a stand-in for the module `time`
    faults             the faults that a proxy can apply to a request and its response
    https_storage      a certificate and tokens for an Azurite that serves https
    function_app       the app's functions, listed anew
    identity_endpoint  tokens of a managed identity, as App Service issues them
    imports            the import graph of the repository's modules
    local_environment  the processes of `python -m local`, in a copy of the repository
    ports              free ports that no other test gets
    proxy              a web server that forwards requests, records them and may break them
    running_host       the app, or another one, under the Functions host
    signalr_clients    clients of other authors, all driven in one way
    user_agents        the User-Agents of some browsers
    visitors           visits, one or many at a time
    web_server         a web server that records requests and answers them as a test decides

A test waits for an event for as long as `TEST_TIMEOUT`.
"""

TEST_TIMEOUT = 60  # seconds
