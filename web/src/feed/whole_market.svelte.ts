// The market as a whole, read again every few seconds; it changes with half-hours and tickers.

import type { MarketOverview, Source, State } from "../wire/types"
import { fetchOverview } from "./documents"
import { type Feed, valueState } from "./freshness"

const EVERY_MS = 10_000

/** What rests on these, and not on tickers, is not late because the feed is. */
const CLOSES = "half-hour closes"

export type MarketField = Exclude<keyof MarketOverview, "quality">

export class WholeMarket {
  overview: MarketOverview | null = $state.raw(null)
  source: Source | null = $state.raw(null)
  /** Whether the last request failed: what is held is no longer vouched for. */
  failed = $state.raw(false)
  #readers = 0
  #stop: (() => void) | null = null

  /** Read until the returned function was called as often as this. */
  start(): () => void {
    this.#readers += 1
    this.#stop ??= this.#run()
    return () => {
      this.#readers -= 1
      if (this.#readers > 0) return
      this.#stop?.()
      this.#stop = null
    }
  }

  /** How fresh one figure is while the feed is so. */
  state(field: MarketField, feed: Feed): State {
    const quality = this.overview?.quality[field]
    if (quality === undefined || quality.state === "absent") return "absent"
    const late = this.failed || (feed.kind === "stale" && quality.basis !== CLOSES)
    return late ? "stale" : valueState(quality.state, feed)
  }

  #run(): () => void {
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const read = async (): Promise<void> => {
      try {
        const found = await fetchOverview(abort.signal)
        this.overview = found.market_overview
        this.source = found.source
        this.failed = false
      } catch {
        if (abort.signal.aborted) return
        this.failed = true
      }
      if (!abort.signal.aborted) timer = setTimeout(() => void read(), EVERY_MS)
    }
    void read()
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }
}

/** The one of this page: what stands in two places is the same number. */
export const wholeMarket = new WholeMarket()
