// Who this browser is to the server, and the sign-in in front of the page when it is nobody.

/** `GET /api/session`. */
export interface Session {
  readonly read: boolean
  readonly write: boolean
  readonly signed_in: boolean
  readonly can_sign_in: boolean
  readonly writes: boolean
  readonly until: string | null
}

const PATH = "/api/session"
const DEADLINE_MS = 5_000
const LOOK_AGAIN_MS = 60_000

/** What a change needs beside its Origin: no foreign page can send this header. */
export const CHANGE_HEADERS = { "content-type": "application/json", "x-virtuoso": "1" } as const

/** What one may do; null while the server does not say. */
export async function fetchSession(): Promise<Session | null> {
  try {
    const response = await fetch(PATH, { signal: AbortSignal.timeout(DEADLINE_MS) })
    return response.ok ? ((await response.json()) as Session) : null
  } catch {
    return null
  }
}

/** Sign in with a token or the password. Gives null, or why not, in words for people. */
export async function signIn(secret: string): Promise<string | null> {
  let response: Response
  try {
    response = await fetch(PATH, {
      method: "POST",
      headers: CHANGE_HEADERS,
      body: JSON.stringify({ secret }),
      signal: AbortSignal.timeout(2 * DEADLINE_MS),
    })
  } catch {
    return "The server does not answer. Try again."
  }
  if (response.ok) return null
  if (response.status === 429) {
    const seconds = Number(response.headers.get("retry-after") ?? "60")
    return `Too many wrong tries. Wait ${seconds > 90 ? `${Math.ceil(seconds / 60)} minutes` : `${seconds} seconds`}.`
  }
  return response.status === 401 ? "That is neither a token nor the password." : `The server refused (${response.status}).`
}

/** End this browser's session. */
export async function signOut(): Promise<void> {
  await fetch(PATH, { method: "DELETE", headers: CHANGE_HEADERS, signal: AbortSignal.timeout(DEADLINE_MS) })
  window.location.reload()
}

/** Puts the sign-in in front of the page whenever the server lets this browser read nothing. */
export function guardPage(): void {
  let shown = false
  const look = async (): Promise<void> => {
    if (shown || document.visibilityState === "hidden") return
    const session = await fetchSession()
    if (session?.read !== false || shown) return
    shown = true
    const { showSignIn } = await import("./sign_in")
    document.getElementById("app")?.setAttribute("inert", "")
    showSignIn(session.can_sign_in)
  }
  void look()
  setInterval(() => void look(), LOOK_AGAIN_MS)
  document.addEventListener("visibilitychange", () => void look())
}
