"""The app's own identity in Microsoft Entra ID, which takes the place of keys.

`credential` fetches access tokens, `refreshing` caches them and renews them in the background before they expire.
Imports no other package of the app.
"""
