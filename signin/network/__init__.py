"""HTTP to Azure's services.

`sessions` makes the pools of connections, `failures` gives the reason if there is no response. Imports no other package
of the app.
"""
