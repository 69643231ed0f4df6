// The board as it was at a recorded instant: rows that have no age and are never live.

import { COMPONENT_ORDER, type RecordedBoard, type RecordedScore, type ScoreRow } from "../wire/types"
import { type BoardView, Row } from "./board.svelte"
import { DocumentError, get } from "./documents"
import type { Feed } from "./freshness"

const FEED: Feed = { kind: "stale", dead: true, age: null, silence: 0, newest: null }

function rowOf(each: RecordedScore, place: number): ScoreRow {
  return [
    place, each.confluence_score, each.reason, each.confidence, each.direction,
    [
      each.components.orderbook, each.components.orderflow, each.components.technical,
      each.components.volume, each.components.sentiment, each.components.price_structure,
    ],
    reasonsOf(each),
    each.price, each.change_24h, each.volume, each.funding, each.oi_change_1h, null, null, each.as_of, each.at,
    null, each.coverage, each.state, each.price === null ? "absent" : "stale", each.price === null ? "no_feed" : null, null,
  ]
}

function reasonsOf(each: RecordedScore): ScoreRow[6] {
  const [a, b, c, d, e, f] = COMPONENT_ORDER.map((name) => each.absent[name] ?? null)
  return [a ?? null, b ?? null, c ?? null, d ?? null, e ?? null, f ?? null]
}

export class PastBoard implements BoardView {
  readonly past = true
  readonly limits = null
  readonly feed = FEED
  readonly ticks = 1
  rows: readonly Row[] = $state.raw([])
  now = $state.raw(0)
  snapshots = $state.raw(0)
  /** What the rows are of; null before the first answer. */
  document: RecordedBoard | null = $state.raw(null)
  failure: string | null = $state.raw(null)
  /** The instant that is being read; null: nothing is. */
  reading: number | null = $state.raw(null)
  #abort: AbortController | null = null

  async load(at: number): Promise<void> {
    this.#abort?.abort()
    const abort = new AbortController()
    this.#abort = abort
    this.reading = at
    try {
      const found = await get<RecordedBoard>(`/api/history/board?at=${encodeURIComponent(new Date(at).toISOString())}`, abort.signal)
      this.rows = found.symbols.map((each, place) => {
        const row = new Row({
          row: place, symbol: each.symbol, venue: each.venue, source: each.source, definition: each.definition, coverage_floor: null,
        })
        row.data = rowOf(each, place)
        return row
      })
      this.document = found
      this.now = at
      this.failure = null
      this.snapshots += 1
    } catch (error) {
      if (abort.signal.aborted) return
      this.failure = error instanceof DocumentError ? error.message : "no answer from the server"
    }
    this.reading = null
  }

  stop(): void {
    this.#abort?.abort()
  }
}
