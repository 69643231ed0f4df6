// The rows of an earlier visit, with their true age, for a page that has no server.

import { Row } from "../feed/board.svelte"
import type { Feed } from "../feed/freshness"
import { load } from "../ui/stored"
import type { Limits, Notice, ReplayInfo, Source } from "../wire/types"
import { KEY, type Kept, nowOf, readKept, type Unusable } from "./kept"
import type { Shown } from "./shown"

const OFFLINE: Feed = { kind: "offline", dead: true, age: null, silence: 0, newest: null }

const WHY: Readonly<Record<Unusable, string>> = {
  none: "This browser has kept no numbers of an earlier visit, so none are shown.",
  form: "What this browser kept is of another version of the page. It is not shown.",
  clock: "The clock of this device was set back, so the age of the kept numbers is not known. They are not shown.",
}

/** Stands in for the board, and is never changed into it: the first snapshot makes it needless. */
export class Remembered implements Shown {
  readonly rows: readonly Row[]
  readonly limits: Limits
  readonly source: Source | null
  readonly simulated: boolean
  readonly replay: ReplayInfo | null = null
  readonly notices: readonly Notice[] = []
  readonly snapshots = 1
  now = $state.raw(0)
  ticks = $state.raw(0)
  feed: Feed = $state.raw(OFFLINE)
  readonly #kept: Kept
  readonly #wall: () => number

  constructor(kept: Kept, wall: () => number = Date.now) {
    this.#kept = kept
    this.#wall = wall
    this.limits = kept.limits
    this.source = kept.source
    this.simulated = kept.simulated
    this.rows = kept.symbols.map((named, index) => {
      const row = new Row(named)
      const data = kept.rows[index]
      if (data !== undefined) row.data = data
      return row
    })
    this.tick()
  }

  row(symbol: string): Row | undefined {
    return this.rows.find((row) => row.symbol === symbol)
  }

  tick(): void {
    this.now = nowOf(this.#kept, this.#wall())
    const { newest } = this.#kept
    const age = newest === null ? null : Math.max(0, this.now - newest)
    this.feed = { ...OFFLINE, age, silence: age ?? 0, newest }
    this.ticks += 1
  }
}

/** What an earlier visit left, or the sentence that says why nothing is shown. */
export function recall(wall: () => number = Date.now): Remembered | string {
  const found = readKept(load(KEY), wall())
  return typeof found === "string" ? WHY[found] : new Remembered(found, wall)
}
