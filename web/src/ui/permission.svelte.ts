// What this browser may change, looked up when a page asks for it.

import { type Session, fetchSession } from "./session"

class Permission {
  /** Null before the first answer, and while the server gives none. */
  session: Session | null = $state.raw(null)
  asked = $state.raw(false)
  readonly write = $derived(this.session?.write === true)
  /** Why nothing can be changed from here, in a sentence; null when it can. */
  readonly why = $derived(whyNot(this.session, this.asked))

  async look(): Promise<void> {
    this.session = await fetchSession()
    this.asked = true
  }
}

export function whyNot(session: Session | null, asked: boolean): string | null {
  if (session === null) return asked ? "Read-only: the server does not say what this browser may do." : "Asking what this browser may do …"
  if (session.write) return null
  if (!session.writes) return "Read-only: this server has no write token and no password, so nobody can change anything here."
  if (session.signed_in) return "Read-only: you are signed in with a token that may only read."
  return "Read-only: sign in with the write token or the password to change anything."
}

export const permission = new Permission()
