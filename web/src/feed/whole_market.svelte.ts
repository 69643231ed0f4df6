// The market as a whole, read again every few seconds; it changes with half-hours and tickers.

import type { MarketOverview } from "../wire/types"
import { fetchOverview } from "./documents"

const EVERY_MS = 10_000

export class WholeMarket {
  overview: MarketOverview | null = $state.raw(null)
  /** Whether the last request failed: what is held is no longer vouched for. */
  failed = $state.raw(false)

  /** Read until the returned function is called. */
  start(): () => void {
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const read = async (): Promise<void> => {
      try {
        this.overview = (await fetchOverview(abort.signal)).market_overview
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
