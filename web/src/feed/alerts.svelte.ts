// The alerts that nobody has resolved: read once, then kept by what the socket tells.

import type { Alert, AlertList, AlertRecord, ServerMessage } from "../wire/types"
import type { Board, Reader } from "./board.svelte"
import { get } from "./documents"

const EVERY_MS = 60_000
const MOST = 500
/** A critical alert older than this was not raised just now: it is shown, not announced. */
const NEW_MS = 60_000
const SAID_MS = 15_000

export type OpenAlert = Pick<AlertRecord, "id" | "symbol" | "rule" | "message" | "timestamp"> & {
  readonly level: string
  readonly state: string
  readonly source: string
}

/** An alert's text without what its row says beside it. */
export function headOf(message: string): string {
  return message.replace(/^SIMULATED: /, "").split(" - ")[0] ?? message
}

const HEAVIER: Readonly<Record<string, number>> = { critical: 0, warning: 1, info: 2 }

export class OpenAlerts implements Reader {
  open: ReadonlyMap<string, OpenAlert> = $state.raw(new Map())
  /** Counts what changed: pages that list alerts read again. */
  changes = $state.raw(0)
  failed = $state.raw(false)
  known = $state.raw(false)
  /** Why the list is not all there is. */
  reasons: readonly string[] = $state.raw([])
  /** Nobody has acknowledged them. Critical ones first, then the newest. */
  readonly active = $derived(
    [...this.open.values()]
      .filter((each) => each.state === "active")
      .sort((a, b) => (HEAVIER[a.level] ?? 3) - (HEAVIER[b.level] ?? 3) || (a.timestamp < b.timestamp ? 1 : -1)),
  )
  readonly critical = $derived(this.active.filter((each) => each.level === "critical").length)
  number: number | null = null
  #board: Board | null = null
  #again: () => void = () => undefined
  /** What was told while each list was under way: the list may not have it. */
  readonly #told = new Set<Alert[]>()

  /** Follow the board's socket until the returned function is called. */
  start(board: Board): () => void {
    const abort = new AbortController()
    const read = (): void => void this.#read(abort.signal)
    this.#board = board
    this.#again = read
    board.listen("alerts", this)
    const timer = setInterval(read, EVERY_MS)
    read()
    return () => {
      abort.abort()
      clearInterval(timer)
      if (this.#again === read) this.#board = null
    }
  }

  receive(message: ServerMessage): void {
    if (message.type !== "alerts" && message.type !== "alert") return
    this.number = message.number
    if (this.#board === null) return
    if (message.type === "alert") {
      this.take(message.alert, this.#board)
      return
    }
    for (const alert of message.alerts) this.#announce(alert, this.#board)
    this.#again() // another epoch, or too much was missed: it is in the list
  }

  readonly #announced = new Set<string>()

  /** One fired or changed its state; a new critical one is announced. */
  take(alert: Alert, board: Pick<Board, "now" | "said">): void {
    for (const told of this.#told) told.push(alert)
    this.open = applied(this.open, [alert])
    this.changes += 1
    this.#announce(alert, board)
  }

  /** Say a critical one of just now, once; it may have come in the list of a new connection. */
  #announce(alert: Alert, board: Pick<Board, "now" | "said">): void {
    // before the first tick there is no clock to tell what is new
    const isNew = board.now > 0 && board.now - Date.parse(alert.timestamp) < NEW_MS
    if (!isNew || alert.state !== "active" || alert.level !== "critical" || this.#announced.has(alert.id)) return
    if (this.#announced.size >= MOST) this.#announced.clear()
    this.#announced.add(alert.id)
    const said = `Critical alert: ${alert.source === "simulator" ? "simulated, " : ""}${headOf(alert.message)}`
    board.said = said
    // the same words may have to be said again
    setTimeout(() => { if (board.said === said) board.said = "" }, SAID_MS)
  }

  async #read(signal: AbortSignal): Promise<void> {
    const told: Alert[] = []
    this.#told.add(told)
    try {
      const list = await get<AlertList>(`/api/alerts?state=active,acknowledged&limit=${MOST}`, signal)
      const found = new Map((list.alerts as readonly OpenAlert[]).map((each) => [each.id, each]))
      this.open = applied(found, told)
      this.failed = false
      this.known = true
      this.reasons = list.reasons
      this.changes += 1
    } catch {
      if (!signal.aborted) this.failed = true
    }
    this.#told.delete(told)
  }
}

/** What is open after these changes; what was resolved goes. */
export function applied(open: ReadonlyMap<string, OpenAlert>, changes: readonly Alert[]): ReadonlyMap<string, OpenAlert> {
  const next = new Map(open)
  for (const each of changes) {
    if (each.state === "resolved") next.delete(each.id)
    else next.set(each.id, each)
  }
  return next
}

export const alerts = new OpenAlerts()
