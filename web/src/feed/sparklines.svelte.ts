// The small lines of the rows in sight, as SVG paths; fetched apart from the rows, seldom.

import type { Sparkline } from "../wire/types"
import { SparklineColumn as S } from "../wire/types"
import { fetchSparklines } from "./documents"

export const WIDTH = 76
export const HEIGHT = 18
const EVERY_MS = 30_000
const SETTLE_MS = 150

/** Both lines of one symbol. */
export interface Lines {
  readonly price: string
  readonly score: string
  /** What the line of price is drawn between. */
  readonly low: number | null
  readonly high: number | null
  readonly since: number | null
}

/** A path through values 0..100, from left to right; a null is a hole. One value is no line. */
export function pathOf(values: readonly (number | null)[]): string {
  const step = WIDTH / Math.max(1, values.length - 1)
  let path = ""
  let drawing = false
  values.forEach((value, index) => {
    if (value === null) {
      drawing = false
      return
    }
    const y = 1 + (1 - value / 100) * (HEIGHT - 2)
    path += `${drawing ? "L" : "M"}${+(index * step).toFixed(1)} ${+y.toFixed(1)}`
    drawing = true
  })
  return path.includes("L") ? path : ""
}

function linesOf(line: Sparkline): Lines {
  return {
    price: pathOf(line[S.prices]), score: pathOf(line[S.scores]), low: line[S.low], high: line[S.high], since: line[S.since],
  }
}

export class Sparklines {
  lines: ReadonlyMap<string, Lines> = $state.raw(new Map())
  #wanted: readonly string[] = []
  #readAt = new Map<string, number>()
  #settle: ReturnType<typeof setTimeout> | undefined
  readonly #abort = new AbortController()

  /** Read anew what is in sight until the returned function is called. */
  start(): () => void {
    const timer = setInterval(() => void this.#read(), 5_000)
    return () => {
      clearInterval(timer)
      clearTimeout(this.#settle)
      this.#abort.abort()
    }
  }

  /** These symbols are in sight now. */
  want(symbols: readonly string[]): void {
    this.#wanted = symbols
    clearTimeout(this.#settle)
    this.#settle = setTimeout(() => void this.#read(), SETTLE_MS)
  }

  async #read(): Promise<void> {
    if (document.visibilityState !== "visible") return
    const at = performance.now()
    const due = this.#wanted.filter((symbol) => at - (this.#readAt.get(symbol) ?? Number.NEGATIVE_INFINITY) >= EVERY_MS)
    if (due.length === 0) return
    for (const symbol of due) this.#readAt.set(symbol, at)
    try {
      const found = await fetchSparklines(due, this.#abort.signal)
      const lines = new Map(this.lines)
      for (const line of found.lines) lines.set(line[S.symbol], linesOf(line))
      this.lines = lines
    } catch {
      // the next round asks again; until then the rows show what they have
    }
  }
}
