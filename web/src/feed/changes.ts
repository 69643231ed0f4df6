// Requests that change something: with what the guard asks of them, and a refusal in words.

import { permission } from "../ui/permission.svelte"
import { CHANGE_HEADERS } from "../ui/session"
import type { Problem, RuleProblem } from "../wire/types"
import { DocumentError } from "./documents"

const DEADLINE_MS = 12_000

/** A change that was refused; `field` is the place of what is wrong, where the server names one. */
export class ChangeError extends DocumentError {
  readonly code: string
  readonly field: string | null

  constructor(message: string, status: number, code: string, field: string | null) {
    super(message, status)
    this.code = code
    this.field = field
  }
}

export interface Done<T> {
  readonly document: T
  readonly tag: string
}

/** Send a change; `match` is the version it was made from, as the server gave it in its ETag. */
export async function change<T>(method: "POST" | "PUT" | "DELETE", path: string, body: unknown, match?: string): Promise<Done<T>> {
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers: { ...CHANGE_HEADERS, accept: "application/json", ...(match !== undefined && { "if-match": match }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
  } catch {
    throw new ChangeError("The server does not answer. It is not known whether the change was made: read again.", 0, "no_answer", null)
  }
  // a session that ended, or a token that was changed: what one may do is looked up again
  if (response.status === 401 || response.status === 403) void permission.look()
  if (!response.ok) throw await refusedChange(response)
  return { document: (await response.json()) as T, tag: response.headers.get("etag") ?? "" }
}

async function refusedChange(response: Response): Promise<ChangeError> {
  let said: Partial<Problem & RuleProblem> = {}
  try {
    said = (await response.json()) as Partial<Problem & RuleProblem>
  } catch {
    // a proxy's own page: the status has to do
  }
  const wait = response.headers.get("retry-after")
  const words = said.detail ?? said.title ?? `The server refused (${response.status}).`
  const text = response.status === 429 ? `${words} Wait ${wait ?? "a few"} seconds.` : words
  return new ChangeError(text, response.status, said.code ?? "", said.field ?? null)
}
