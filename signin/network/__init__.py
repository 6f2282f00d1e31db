"""HTTP to Azure's services.

`sessions` makes the pools of connections. Imports no other package of the app.
"""
