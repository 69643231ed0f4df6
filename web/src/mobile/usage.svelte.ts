// The bytes this page has cost: what the socket brought, and every file and document.

import type { Board } from "../feed/board.svelte"
import { load, save } from "../ui/stored"

const EVERY_MS = 5_000

/** Bytes of one day, as they are kept. */
interface Day {
  readonly day: string
  readonly bytes: number
}

/** What was kept of today; another day's is none of it. */
export function ofToday(text: string | null, today: string): number {
  try {
    const found = JSON.parse(text ?? "null") as Partial<Day> | null
    return found?.day === today && typeof found.bytes === "number" ? found.bytes : 0
  } catch {
    return 0
  }
}

export class Usage {
  /** Since the page was opened. */
  visit = $state.raw(0)
  /** Of this day in UTC, all visits of this browser. */
  today = $state.raw(0)
  readonly #board: Board
  #fetched = 0
  #noted = 0

  constructor(board: Board) {
    this.#board = board
    // a resource timing names what went over the wire; the worker's and the cache's files cost nothing
    const note = (list: PerformanceObserverEntryList): void => {
      for (const entry of list.getEntries()) this.#fetched += (entry as PerformanceResourceTiming).transferSize
    }
    for (const type of ["navigation", "resource"]) new PerformanceObserver(note).observe({ type, buffered: true })
    setInterval(() => this.#count(), EVERY_MS)
    document.addEventListener("visibilitychange", () => this.#count())
    setTimeout(() => this.#count(), 0)
  }

  #count(): void {
    const today = new Date().toISOString().slice(0, 10)
    this.visit = this.#fetched + this.#board.received
    // what another tab has counted meanwhile stays counted
    this.today = ofToday(load("used"), today) + this.visit - this.#noted
    this.#noted = this.visit
    save("used", JSON.stringify({ day: today, bytes: this.today }))
  }
}
