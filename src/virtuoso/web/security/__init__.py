"""Closed by default: who may read, who may change something, and what is refused before either.

access    what somebody may do, and the words that say who it is
lockout   failures by address, and the growing lock behind them
sessions  the browser's signed cookie
gate      tokens, the password and sessions in one place
forwarded who asks when a declared proxy stands between
guard     the ASGI middleware in front of everything
handshake a socket's sign-in: by cookie, header or first message
protocol  limits on heads, bodies and their time, below ASGI
routes    /api/session: sign in, see what one may do, sign out
"""
