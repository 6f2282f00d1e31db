"""The app's own identity in Microsoft Entra ID, used in place of keys.

`credential` fetches access tokens; `refreshing` caches them and refreshes them in the background before they expire.
Imports no other package of the app.
"""
