// Signals as the socket tells of them, laid over a list that was read before.

import type { Reader } from "../../feed/board.svelte"
import type { ServerMessage, SignalRecord } from "../../wire/types"

const MOST = 1_000

export function isOpen(signal: Pick<SignalRecord, "state">): boolean {
  return signal.state === "active" || signal.state === "confirmed"
}

export class ToldSignals implements Reader {
  /** By id, as they were told last. */
  told: ReadonlyMap<string, SignalRecord> = $state.raw(new Map())
  /** Why they are not known. */
  reasons: readonly string[] = $state.raw([])
  readonly #again: () => void
  #pending: Map<string, SignalRecord> | null = null

  /** `again` is called when a list that was read before may have missed something. */
  constructor(again: () => void) {
    this.#again = again
  }

  receive(message: ServerMessage): void {
    if (message.type === "signals") {
      this.reasons = message.reasons
      this.#pending = null
      this.told = new Map([...this.told].filter(([id, signal]) => !isOpen(signal) || message.open.includes(id)))
      this.#again()
    } else if (message.type === "signal") {
      if (this.#pending === null) {
        const pending = new Map(this.told.size < MOST ? this.told : [])
        this.#pending = pending
        // a minute's candles change all that are open: they are drawn once
        requestAnimationFrame(() => {
          if (this.#pending !== pending) return
          this.#pending = null
          this.told = pending
        })
      }
      this.#pending.set(message.signal.id, message.signal)
    }
  }
}

/** Whether `told` is at least as new as `listed`; an ended one never changes. */
function isNewer(told: SignalRecord, listed: SignalRecord): boolean {
  if (!isOpen(listed)) return false
  return !isOpen(told) || (told.followed_to ?? 0) >= (listed.followed_to ?? 0)
}

/** The list with what was told since, newest first; `wanted` says which belong to it. */
export function withTold(
  listed: readonly SignalRecord[],
  told: ReadonlyMap<string, SignalRecord>,
  wanted: (signal: SignalRecord) => boolean,
): readonly SignalRecord[] {
  const known = new Map(listed.map((each) => [each.id, each]))
  const oldest = listed.at(-1)?.opened_at ?? 0
  for (const [id, signal] of told) {
    const held = known.get(id)
    // one from before the list's end is on another page of it
    if (held === undefined ? signal.opened_at >= oldest : isNewer(signal, held)) known.set(id, signal)
  }
  return [...known.values()]
    .filter(wanted)
    .sort((a, b) => b.opened_at - a.opened_at || (a.id < b.id ? 1 : -1))
}
