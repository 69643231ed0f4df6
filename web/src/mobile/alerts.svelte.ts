// What fired: read from the store once, and kept up by what the socket says.

import { DocumentError } from "../feed/documents"
import type { Reader } from "../feed/board.svelte"
import { CHANGE_HEADERS } from "../ui/session"
import type { Alert, ServerMessage } from "../wire/types"

/** Of `/api/alerts`, what the phone shows. */
interface AlertListing {
  readonly status: string
  readonly alerts: readonly Alert[]
  readonly reasons: readonly string[]
}

const DEADLINE_MS = 5_000
const LEVELS: readonly Alert["level"][] = ["critical", "warning", "info"]

/** Unseen before seen; of those the critical first; then the newest. */
export function inOrder(alerts: Iterable<Alert>): readonly Alert[] {
  const seen = (alert: Alert): number => (alert.state === "active" ? 0 : 1)
  return [...alerts].sort(
    (a, b) =>
      seen(a) - seen(b) || LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level)
      || (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : 0),
  )
}

export async function fetchAlerts(query: string): Promise<AlertListing> {
  const response = await fetch(`/api/alerts?${query}`, { signal: AbortSignal.timeout(DEADLINE_MS) })
  if (!response.ok) throw new DocumentError(`the server answered ${response.status}`, response.status)
  return (await response.json()) as AlertListing
}

export class AlertBook implements Reader {
  alerts: readonly Alert[] = $state.raw([])
  /** Of the newest message of the socket. */
  number: number | null = null
  /** Whether the store was read at all. */
  read = $state.raw(false)
  /** Why the last reading failed; null when it did not. */
  failure: string | null = $state.raw(null)
  /** What the server says beside them, such as that its store cannot be read. */
  reasons: readonly string[] = $state.raw([])
  readonly #byId = new Map<string, Alert>()

  /** Critical ones that nobody has seen. */
  get critical(): number {
    return this.alerts.filter((alert) => alert.state === "active" && alert.level === "critical").length
  }

  start(): void {
    void this.load("state=active&limit=20")
  }

  receive(message: ServerMessage): void {
    if (message.type !== "alerts" && message.type !== "alert") return
    this.number = message.number
    this.#take(message.type === "alert" ? [message.alert] : message.alerts)
  }

  /** Read from the store: what fired before this page came, too. */
  async load(query: string): Promise<void> {
    try {
      const found = await fetchAlerts(query)
      this.#take(found.alerts)
      this.reasons = found.reasons
      this.failure = null
      this.read = true
    } catch (error) {
      this.failure = error instanceof DocumentError ? error.message : "no answer from the server"
    }
  }

  /** Mark as seen. Gives null, or why not, in words for people. */
  async acknowledge(alert: Alert): Promise<string | null> {
    let response: Response
    try {
      response = await fetch(`/api/alerts/${encodeURIComponent(alert.id)}/acknowledge`, {
        method: "POST", headers: CHANGE_HEADERS, body: "{}", signal: AbortSignal.timeout(2 * DEADLINE_MS),
      })
    } catch {
      return "The server does not answer. Try again."
    }
    if (response.ok) {
      this.#take([{ ...alert, state: "acknowledged" }])
      return null
    }
    if (response.status === 401 || response.status === 403) return "Not without signing in."
    try {
      return ((await response.json()) as { detail?: string }).detail ?? `The server refused (${response.status}).`
    } catch {
      return `The server refused (${response.status}).`
    }
  }

  #take(alerts: readonly Alert[]): void {
    for (const alert of alerts) this.#byId.set(alert.id, alert)
    this.alerts = inOrder(this.#byId.values())
  }
}
