"""What the tests of more than one folder share.

audit            the visits that a table holds, checked against its stats rows
clock            a stand-in for the module `time`
faults           what can happen to a request and its response
https_storage    a certificate and tokens for an Azurite that serves https
identity_endpoint  tokens of a managed identity, as App Service hands them out
imports          the import graph of the repository's modules
ports            free ports that no other test gets
proxy            a web server that forwards requests, records them and may break them
running_host     the app, or another one, under the Functions host
signalr_clients  clients of other authors, all driven in one way
user_agents      what some browsers send
visitors         visits, one or many at a time
web_server       a web server that records requests and answers as a test decides
"""

TEST_TIMEOUT = 60  # seconds until a test gives up waiting for an event
